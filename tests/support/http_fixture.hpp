// An HttpServer on a port of the system's choice, run by a thread of its own. Its routes:
// GET /echo, POST /echo (1 MiB), PUT /small (10 bytes): answer with what the handler saw; GET /wait: answers when
// release() is called; GET /large: 64 MiB.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "api/http_server.hpp"

namespace driftd::test {

class HttpFixture {
 public:
  explicit HttpFixture(api::HttpOptions options = {});
  ~HttpFixture();
  HttpFixture(const HttpFixture&) = delete;
  HttpFixture& operator=(const HttpFixture&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] api::HttpServer& server() { return *server_; }
  // Returns once the server has refused something for this reason (at most ten seconds; false when it did not).
  [[nodiscard]] bool wait_until_rejected(const std::string& reason);
  void wait_until_waiting() { waiting_.get_future().wait(); }  // for GET /wait
  void release();

 private:
  boost::asio::io_context io_;
  boost::asio::steady_timer gate_;
  std::promise<void> waiting_;
  std::mutex mutex_;
  std::condition_variable rejection_;
  std::set<std::string> rejected_;  // guarded by mutex_
  api::Router router_;
  std::unique_ptr<api::HttpServer> server_;
  std::thread thread_;
};

}  // namespace driftd::test
