// Tries the versions that retraining came to on recent images, and lets those go live that pass: retrain.activate.
//
// A version passes when the upper 95% bound of its OOD rate is at most retrain.activate_below over at least
// retrain.activate_min_images images, and the rule ood-rate would not have fired on any stream with it. With fewer
// images it waits for more, and one that did not pass is tried again once so many new ones have come: the drift that it
// was trained for may only then be the whole of them. Where retrain.activate is "never" nothing is tried.
//
// Thread-safe: one thread of its own, one trial at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "api/config.hpp"
#include "api/retrain_service.hpp"
#include "api/shadow.hpp"

namespace driftd::api {

// Whether the version may go live by what the replay says.
[[nodiscard]] bool passes(const RetrainConfig& config, const ShadowReport& report);

class RetrainTrials {
 public:
  // Keeps references to all but the configuration.
  RetrainTrials(RetrainConfig config, const References& references, const drift::RecentWindow& recent, Shadow& shadow,
                const drift::Store& store, RetrainService& retrain);
  ~RetrainTrials();
  RetrainTrials(const RetrainTrials&) = delete;
  RetrainTrials& operator=(const RetrainTrials&) = delete;

  // Looks for ready versions, in the background. To be called now and then: nobody tells of new images.
  void look();

 private:
  void run(const std::stop_token& stop);
  void try_out(const drift::RetrainRequest& request);
  [[nodiscard]] bool has_news(const drift::RetrainRequest& request);

  // Constant after construction
  const RetrainConfig config_;
  const References& references_;

  // Thread-safe by themselves
  const drift::RecentWindow& recent_;
  Shadow& shadow_;
  const drift::Store& store_;
  RetrainService& retrain_;

  std::map<std::string, std::int64_t> seen_;  // confined to the thread: by request, the newest image at its last replay

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool look_ = false;    // guarded by mutex_
  std::jthread worker_;  // last: joined first
};

}  // namespace driftd::api
