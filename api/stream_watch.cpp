#include "api/stream_watch.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <system_error>

#include "api/alert_routes.hpp"
#include "api/log.hpp"
#include "api/new_normal_routes.hpp"
#include "api/review_routes.hpp"
#include "api/service_options.hpp"
#include "api/set_aside.hpp"
#include "api/shadow_routes.hpp"
#include "api/time.hpp"
#include "api/webhook_target.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;

std::filesystem::path prepared(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    throw Error{Errc::invalid_argument,
                "configuration: data_directory " + directory.string() + " cannot be made: " + error.message()};
  return directory;
}

}  // namespace

StreamWatch::StreamWatch(const Config& config, const embed::Bundle& bundle, const References& references,
                         asio::io_context& background, Metrics& metrics)
    : metrics_{metrics},
      references_{references},
      model_{bundle.id()},
      url_{config.http.external_url},
      notices_{webhook_targets(config.webhooks), config.http.external_url, 1000LL * config.alerts.repeat_s},
      store_(open_or_set_aside<drift::Store>(prepared(config.data_directory) / "driftd.db", drift::StoreOptions{})),
      review_{config.review,
              config.pictures,
              prepared(config.data_directory) / "review.db",
              bundle.id(),
              config.http.max_image_bytes,
              metrics},
      recent_{config.shadow.window, config.shadow.max_bytes},
      shadow_{references, recent_, score_options(config.scoring), monitor_options(config), bundle.pools.size()},
      pictures_{config.pictures && config.alerts.thumbnail_bytes > 0 ? config.alerts.picture_buffer_bytes : 0,
                std::max(config.streams.window, config.shadow.window)},
      evidence_{{config.scoring.alpha, config.alerts.thumbnail_bytes, config.http.max_image_bytes},
                references,
                recent_,
                pictures_,
                store_,
                metrics},
      sender_{background, webhook_targets(config.webhooks), store_, metrics},
      retrain_{config.retrain, notices_, store_, metrics},
      alerts_{notices_, store_, retrain_, [this] { sender_.kick(); }},
      monitor_{monitor_options(config), [this](const drift::Event& event) { on_event(event.alert); }},
      accuracy_{{config.alerts.accuracy_run_length, config.alerts.accuracy_drop, config.scoring.k, bundle.pools.size()},
                references,
                monitor_},
      trials_{config.retrain, references, recent_, shadow_, store_, retrain_},
      tick_{background},
      interval_{config.streams.save_interval_ms} {
  monitor_.restore(store_.load());
  alerts_.restore(monitor_);
  for (const auto& alert : monitor_.alerts()) evidence_.raised(alert);
  for (const auto& judgement : store_.judgements()) {
    feedback_.count(judgement);
    accuracy_.restore(judgement);
  }
  sender_.start();
  schedule();
}

void StreamWatch::add_routes(Router& router, asio::thread_pool& records, asio::thread_pool& trials) {
  add_alert_routes(router, records, monitor_, alerts_, store_);
  add_delivery_routes(router, records, store_, sender_);
  add_retrain_routes(router, records, store_, retrain_);
  add_feedback_routes(router, records, store_, feedback_, accuracy_);
  add_review_routes(router, records, review_, references_, model_, url_);
  add_shadow_routes(router, trials, shadow_);
  add_new_normal_routes(router, records, monitor_, alerts_, {review_, references_, model_});
}

void StreamWatch::save() {
  review_.save();
  auto state = monitor_.snapshot();
  std::erase_if(state.streams, [&](const auto& stream) {
    const auto saved = saved_images_.find(stream.name);
    return saved != saved_images_.end() && saved->second == stream.window.total;
  });
  if (state.streams.empty()) return;
  store_.save_streams(state.streams);
  for (const auto& stream : state.streams) saved_images_[stream.name] = stream.window.total;
}

void StreamWatch::on_event(const drift::Alert& alert) {
  alerts_.on_event(monitor_, alert, now_ms());
  evidence_.raised(alert);
}

void StreamWatch::refresh_gauges() {
  metrics_.picture_buffer(pictures_.bytes());
  metrics_.shadow(recent_.bytes());
  for (const auto& stream : monitor_.streams()) {
    metrics_.stream_window(stream.name, stream.window.ood_rate, stream.window.lower, stream.window.upper);
    if (const auto reading = accuracy_.reading(stream.name)) {
      const std::string rule{kAccuracyRule};
      metrics_.stream_detector(stream.name, rule, reading->value, reading->limit);
      metrics_.alert_state(stream.name, rule, reading->alert ? 2 : 0);
    }
    for (const auto& [rule, reading, pending, alert] : stream.detectors) {
      metrics_.alert_state(stream.name, rule, alert ? 2 : pending ? 1 : 0);
      if (!std::isfinite(reading.limit)) continue;  // until its first image, or window
      metrics_.stream_detector(stream.name, rule, reading.value, reading.limit);
      if (rule != drift::kDetectorRule) continue;  // the others have one group
      for (const auto& group : reading.groups)
        metrics_.stream_detector(stream.name, group.name, group.value, group.limit);
    }
  }
}

void StreamWatch::schedule() {
  tick_.expires_after(interval_);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    try {
      refresh_gauges();
      monitor_.deliver();  // what the store refused before
      alerts_.tick(monitor_, now_ms());
      trials_.look();
      evidence_.look();
      save();
    } catch (const std::exception& failure) {
      log(LogLevel::error, "windows or alerts could not be saved; they will be tried again",
          {{"reason", failure.what()}});
    }
    schedule();
  });
}

}  // namespace driftd::api
