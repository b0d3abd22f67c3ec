#include "api/score_batcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <latch>
#include <random>
#include <thread>

#include "api/resumption.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/references.hpp"

using namespace driftd;
using namespace driftd::api;
namespace asio = boost::asio;

namespace {

constexpr std::size_t kDimension = 16;

std::vector<float> point(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDimension);
  for (auto& x : vector) x = normal(random);
  return vector;
}

Reference make_reference(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  index::Segment items{kDimension};
  for (std::size_t i = 0; i < 400; ++i)
    items.add({{std::to_string(i), "", "", {}}}, Matrix{1, kDimension, point(random)});
  auto calibration = calibrate(items, 1, {});
  return test::reference_of(std::move(items), std::move(calibration));
}

}  // namespace

TEST_CASE(
    "scores asked for together are those that each gets alone, whatever the reference, the options and the thread") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(1, random(1, 1 << 30))));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const std::vector<Reference> references{make_reference(seed), make_reference(seed + 1)};
  ScoreBatcher batcher;
  asio::thread_pool pool{4};
  struct Asked {
    std::size_t reference;
    std::vector<float> vector;
    ScoreOptions options;
    std::future<Score> answer;
  };
  std::vector<Asked> all;
  for (int i = 0; i < 600; ++i) {
    Asked asked{random() % 2, point(random), {.k = 1 + random() % 3}, {}};
    asked.answer =
        asio::co_spawn(pool, batcher.score(references[asked.reference], asked.vector, asked.options), asio::use_future);
    all.push_back(std::move(asked));
  }
  for (auto& asked : all) {
    const auto together = asked.answer.get();
    const auto alone = score(references[asked.reference], {1, kDimension, asked.vector.data()}, asked.options).front();
    REQUIRE(together.score == alone.score);
    REQUIRE(together.p_value == alone.p_value);
    REQUIRE(together.neighbours.size() == asked.options.k);
    REQUIRE(together.neighbours.front().id == alone.neighbours.front().id);
  }
}

TEST_CASE("who asks what cannot be answered gets the error, and the others their scores") {
  const auto reference = make_reference(5);
  std::mt19937_64 random{6};
  ScoreBatcher batcher;
  asio::thread_pool pool{4};
  std::vector<std::future<Score>> answers;
  for (int i = 0; i < 60; ++i) {
    auto vector = point(random);
    if (i % 3 == 1) vector.pop_back();
    if (i % 3 == 2) vector[0] = std::nanf("");
    answers.push_back(asio::co_spawn(pool, batcher.score(reference, vector, {}), asio::use_future));
  }
  for (int i = 0; i < 60; ++i) {
    CAPTURE(i);
    if (i % 3 == 0) {
      CHECK(answers[static_cast<std::size_t>(i)].get().neighbours.size() == drift::kDefaultK);
    } else {
      CHECK_THROWS_AS(answers[static_cast<std::size_t>(i)].get(), Error);
    }
  }
}

namespace {

using Resumption = std::function<void(std::exception_ptr, int)>;

// Asks once it is resumed, as a request does whose image is at the model until then.
asio::awaitable<Score> ask_later(ScoreBatcher& batcher, Reference reference, std::vector<float> vector,
                                 Resumption& resume, std::latch& suspended) {
  auto start = [&](auto handler) {
    resume = resumption<int>(std::move(handler), Resume::at_once);
    suspended.count_down();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, int)>(std::move(start),
                                                                                              asio::use_awaitable);
  ScoreOptions options;  // named: GCC 12 destroys temporaries of a co_await expression twice
  co_return co_await batcher.score(std::move(reference), std::move(vector), std::move(options));
}

}  // namespace

TEST_CASE("requests that one task resumes share a pass, however slow it is and though another thread is free") {
  const auto reference = make_reference(7);
  std::mt19937_64 random{8};
  ScoreBatcher batcher;
  constexpr std::size_t kRequests = 5;
  std::vector<Resumption> resumptions(kRequests);
  std::latch suspended{kRequests};
  asio::thread_pool pool{2};
  std::vector<std::future<Score>> answers;
  for (auto& resume : resumptions) {
    answers.push_back(
        asio::co_spawn(pool, ask_later(batcher, reference, point(random), resume, suspended), asio::use_future));
  }
  suspended.wait();
  asio::post(pool, [all = std::move(resumptions)] {  // they hold on to the pool, so they must not outlive it
    for (const auto& resume : all) {
      resume(nullptr, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
  });
  for (auto& answer : answers) CHECK(answer.get().neighbours.size() == drift::kDefaultK);
  CHECK(batcher.passes() == 1);
}
