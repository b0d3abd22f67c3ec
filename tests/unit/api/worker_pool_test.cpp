#include "api/worker_pool.hpp"

#include <atomic>
#include <boost/asio/defer.hpp>
#include <boost/asio/post.hpp>
#include <latch>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace asio = boost::asio;
using driftd::api::WorkerPool;

TEST_CASE("who helps a pool runs what is ready on its own thread, and no more than it said") {
  WorkerPool pool{0};
  std::vector<std::thread::id> ran;
  const auto note = [&] { ran.push_back(std::this_thread::get_id()); };
  asio::post(pool.executor(), [&] {
    note();
    asio::defer(pool.executor(), note);  // what it leads to, as well
  });
  asio::post(pool.executor(), note);
  pool.help(2);
  CHECK(ran == std::vector(2, std::this_thread::get_id()));
  pool.help(10);
  CHECK(ran == std::vector(3, std::this_thread::get_id()));
  pool.help(10);
  CHECK(ran.size() == 3);
}

TEST_CASE("workers run what they are given, at the same time, and are waited for") {
  std::latch both{2};
  std::atomic<int> done{0};
  {
    WorkerPool pool{2};
    for (int i = 0; i < 2; ++i) {
      asio::post(pool.executor(), [&] {
        both.arrive_and_wait();
        ++done;
      });
    }
  }
  CHECK(done == 2);
}
