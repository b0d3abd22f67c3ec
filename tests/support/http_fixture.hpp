// An HttpServer on a port of the system's choice, run by a thread of its own. Its routes:
// GET /echo, POST /echo (1 MiB), PUT /small (10 bytes): answer with what the handler saw; GET /wait: answers when release() is called.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <thread>

#include "api/http_server.hpp"
#include "core/guarded.hpp"

namespace driftd::test {

class HttpFixture {
 public:
  explicit HttpFixture(api::HttpOptions options = {});
  ~HttpFixture();
  HttpFixture(const HttpFixture&) = delete;
  HttpFixture& operator=(const HttpFixture&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] api::HttpServer& server() { return *server_; }
  [[nodiscard]] std::size_t rejected(const std::string& reason);
  void wait_until_waiting() { waiting_.get_future().wait(); }  // for GET /wait
  void release();

 private:
  boost::asio::io_context io_;
  boost::asio::steady_timer gate_;
  std::promise<void> waiting_;
  Guarded<std::map<std::string, std::size_t>> rejected_;
  api::Router router_;
  std::unique_ptr<api::HttpServer> server_;
  std::thread thread_;
};

}  // namespace driftd::test
