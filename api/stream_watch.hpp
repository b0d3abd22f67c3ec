// The watch over the streams, all of the service that remembers: the monitor and its store, recent images, the review
// queue, and what is found out, told and done about alerts.
//
// Thread-safe, but for save(). Two databases in the data directory hold what must survive; windows are saved every
// streams.save_interval_ms, on the thread that runs `background`, which also sends notices and brings metrics up to
// date.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "api/accuracy_watch.hpp"
#include "api/alert_service.hpp"
#include "api/config.hpp"
#include "api/evidence_service.hpp"
#include "api/metrics.hpp"
#include "api/notices.hpp"
#include "api/recent_pictures.hpp"
#include "api/references.hpp"
#include "api/retrain_service.hpp"
#include "api/retrain_trials.hpp"
#include "api/review_service.hpp"
#include "api/router.hpp"
#include "api/scoring_service.hpp"
#include "api/shadow.hpp"
#include "api/webhook_sender.hpp"
#include "drift/feedback.hpp"
#include "drift/monitor.hpp"
#include "drift/recent_window.hpp"
#include "drift/store.hpp"
#include "embed/bundle.hpp"

namespace driftd::api {

class StreamWatch {
 public:
  // Goes on from what the databases hold; one that is damaged is set aside. Keeps references to references, background
  // and metrics. Throws Error: invalid_argument where the data directory cannot be made, and what the constructors of
  // drift::Store and ReviewService throw.
  StreamWatch(const Config& config, const embed::Bundle& bundle, const References& references,
              boost::asio::io_context& background, Metrics& metrics);

  [[nodiscard]] drift::Monitor& monitor() { return monitor_; }
  [[nodiscard]] Watchers watchers() { return {monitor_, feedback_, recent_, review_, pictures_}; }

  // Handlers that use the databases run on `records`, those that try a version on `trials`.
  void add_routes(Router& router, boost::asio::thread_pool& records, boost::asio::thread_pool& trials);

  // The streams whose windows changed. For the background thread, and for the caller once that has ended.
  void save();

 private:
  void on_event(const drift::Alert& alert);
  void refresh_gauges();
  void schedule();

  // Constant after construction
  Metrics& metrics_;
  const References& references_;
  const std::string model_;
  const std::string url_;
  const Notices notices_;

  // Thread-safe by themselves
  drift::Store store_;
  ReviewService review_;
  drift::RecentWindow recent_;
  Shadow shadow_;
  RecentPictures pictures_;
  EvidenceService evidence_;
  WebhookSender sender_;
  RetrainService retrain_;
  AlertService alerts_;
  drift::Feedback feedback_;
  drift::Monitor monitor_;
  AccuracyWatch accuracy_;
  RetrainTrials trials_;

  // Confined to the background thread, and then to who calls save()
  boost::asio::steady_timer tick_;
  const std::chrono::milliseconds interval_;
  std::map<std::string, std::uint64_t, std::less<>> saved_images_;  // by stream, at most streams.max_streams
};

}  // namespace driftd::api
