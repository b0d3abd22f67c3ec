// From alerts to retraining: raises requests, follows their status, runs the configured command for accepted ones.
//
// Thread-safe: one lock, under which the store is written, and one thread of its own, which runs one command at a time.
// A command is begun at most once: that it begins is durable before it does. Training itself is not this program's
// business: the command hands the request to whoever trains (a Kubernetes job, a pipeline), and that one reports back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api/config.hpp"
#include "api/metrics.hpp"
#include "api/notices.hpp"
#include "drift/store.hpp"

namespace driftd::api {

// What PATCH /v1/retrain/{id} asks for.
struct RetrainChange {
  std::optional<drift::RetrainStatus> status;
  std::optional<std::int64_t> reference_version;
  std::string who;
  std::string note;
};

class RetrainService {
 public:
  // Keeps references to notices, store and metrics.
  RetrainService(RetrainConfig config, const Notices& notices, drift::Store& store, Metrics& metrics);
  ~RetrainService();  // stops a command that runs
  RetrainService(const RetrainService&) = delete;
  RetrainService& operator=(const RetrainService&) = delete;

  // For an alert that is told for the first time: calls save() with the request that it raises or joins, for the caller
  // to write together with the alert; with an empty News where retrain.mode is off or nothing is new.
  void raise(const drift::Alert& alert, std::int64_t now_ms, const std::function<void(drift::News)>& save);

  // Throws Error: not_found, conflict for a status that may not follow. The same status again changes nothing, so that
  // a report can be repeated.
  drift::RetrainRequest change(std::string_view id, const RetrainChange& change, std::int64_t now_ms);

  // Records how a ready request's version did; `note` tells it to people. With `activated` the request has come to its
  // end. Nothing where the request has moved on meanwhile.
  void tried(std::string_view id, const drift::RetrainTrial& trial, const std::string& note, bool activated);

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] std::optional<drift::RetrainRequest> begin_next();
  void end(const std::string& id, int exit_code, std::string output, const std::string& why);
  void note_interrupted();

  // Constant after construction
  const RetrainConfig config_;
  const Notices& notices_;

  // Thread-safe by themselves
  drift::Store& store_;
  Metrics& metrics_;

  std::mutex mutex_;  // held from reading a request to writing it
  std::condition_variable_any wake_;
  bool look_ = true;     // guarded by mutex_: an accepted request may wait for its command
  std::jthread runner_;  // last: joined first
};

}  // namespace driftd::api
