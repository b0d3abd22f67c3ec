#include "embed/batch_queue.hpp"

#include <memory>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using Queue = driftd::embed::BatchQueue<std::unique_ptr<int>>;

namespace {

const Queue::TimePoint kStart{};

bool push(Queue& queue, int job, Queue::TimePoint deadline) {
  return queue.push({kStart, deadline, std::make_unique<int>(job)});
}

std::vector<int> jobs(const std::vector<Queue::Entry>& entries) {
  std::vector<int> values;
  for (const auto& entry : entries) values.push_back(*entry.job);
  return values;
}

}  // namespace

TEST_CASE("jobs leave in the order they came, no more than asked for") {
  Queue queue{10};
  for (int i = 0; i < 5; ++i) REQUIRE(push(queue, i, kStart + 1s));
  CHECK(jobs(queue.pop(kStart, 3).ready) == std::vector<int>{0, 1, 2});
  CHECK(queue.size() == 2);
  CHECK(jobs(queue.pop(kStart, 3).ready) == std::vector<int>{3, 4});
  CHECK(queue.pop(kStart, 3).ready.empty());
}

TEST_CASE("a full queue takes nothing and leaves the job with its owner") {
  Queue queue{2};
  REQUIRE(push(queue, 0, kStart + 1s));
  REQUIRE(push(queue, 1, kStart + 1s));
  Queue::Entry third{kStart, kStart + 1s, std::make_unique<int>(2)};
  CHECK_FALSE(queue.push(std::move(third)));
  CHECK(*third.job == 2);
  CHECK(queue.size() == 2);
}

TEST_CASE("expired jobs are set apart and take no place in the batch") {
  Queue queue{10};
  REQUIRE(push(queue, 0, kStart + 1ms));
  REQUIRE(push(queue, 1, kStart + 9ms));
  REQUIRE(push(queue, 2, kStart + 2ms));
  REQUIRE(push(queue, 3, kStart + 9ms));
  const auto batch = queue.pop(kStart + 2ms, 2);
  CHECK(jobs(batch.ready) == std::vector<int>{1, 3});
  CHECK(jobs(batch.expired) == std::vector<int>{0, 2});
  CHECK(queue.size() == 0);
}
