#include "api/async_embed.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "api/resumption.hpp"

namespace driftd::api {

namespace asio = boost::asio;

asio::awaitable<AsyncEmbedding> async_embed(embed::Batcher& batcher, embed::Image image,
                                            embed::Batcher::Clock::time_point deadline) {
  auto start = [&batcher, deadline](auto handler, embed::Image fitted) {
    auto resume = resumption<AsyncEmbedding>(std::move(handler), Resume::at_once);
    try {
      batcher.submit(std::move(fitted), deadline,
                     [resume](std::vector<float> vector, std::exception_ptr error, embed::Batcher::Timing timing) {
                       resume(error, {std::move(vector), timing});
                     });
    } catch (...) {
      resume(std::current_exception(), {});
    }
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, AsyncEmbedding)>(
      std::move(start), asio::use_awaitable, std::move(image));
}

}  // namespace driftd::api
