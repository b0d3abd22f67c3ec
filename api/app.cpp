#include "api/app.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "api/alert_routes.hpp"
#include "api/evidence_service.hpp"
#include "api/http_server.hpp"
#include "api/log.hpp"
#include "api/new_normal_routes.hpp"
#include "api/reference_routes.hpp"
#include "api/retrain_trials.hpp"
#include "api/review_routes.hpp"
#include "api/routes.hpp"
#include "api/scoring_service.hpp"
#include "api/set_aside.hpp"
#include "api/shadow_routes.hpp"
#include "api/time.hpp"
#include "api/version.hpp"
#include "api/web_page.hpp"
#include "api/webhook_sender.hpp"
#include "core/error.hpp"
#include "core/memory.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// Runs an io_context on a thread of its own. Declared after everything that the context's work touches, so that it ends
// first.
class IoThread {
 public:
  explicit IoThread(asio::io_context& io) : io_{io}, guard_{asio::make_work_guard(io)}, thread_{[&io] { io.run(); }} {}
  ~IoThread() { io_.stop(); }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

 private:
  asio::io_context& io_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::jthread thread_;
};

HttpOptions http_options(const ListenConfig& listen, const HttpConfig& http) {
  HttpOptions options;
  options.address = listen.address;
  options.port = listen.port;
  options.max_connections = http.max_connections;
  options.request_timeout = milliseconds{http.request_timeout_ms};
  return options;
}

LogLevel log_level_of(std::string_view name) {
  return name == "debug"   ? LogLevel::debug
         : name == "warn"  ? LogLevel::warn
         : name == "error" ? LogLevel::error
                           : LogLevel::info;
}

embed::EmbedderOptions embedder_options(const ModelConfig& model) {
  using Format = embed::EmbedderOptions::Format;
  const auto format = model.format == "torchscript"   ? Format::torchscript
                      : model.format == "aotinductor" ? Format::aotinductor
                                                      : Format::any;
  return {format, model.threads};
}

drift::MonitorOptions monitor_options(const Config& config) {
  drift::MonitorOptions options;
  options.window = config.streams.window;
  options.window_seconds = config.streams.window_seconds;
  options.max_streams = config.streams.max_streams;
  options.rule = alert_rule(config.alerts);
  options.run_length = config.alerts.run_length;
  options.detectors = config.alerts.detectors;
  for (const auto& rule : config.alerts.rules) {
    options.rules.push_back({rule.streams, alert_rule(config.alerts, rule), rule.run_length, rule.detectors});
  }
  if (config.alerts.accuracy_run_length > 0) options.followed = {std::string{kAccuracyRule}};
  return options;
}

EmbeddingService::Options embedding_options(const Config& config) {
  return {.max_image_bytes = config.http.max_image_bytes,
          .max_pending = config.model.max_queue,
          .workers = std::max(2U, std::thread::hardware_concurrency())};
}

ScoreOptions score_options(const ScoringConfig& scoring) {
  return {drift::rule_of(scoring.rule),
          scoring.k,
          scoring.alpha,
          scoring.among == "all" ? Among::all : Among::same_label,
          {},
          scoring.per_label};
}

LiveReference::Options live_options(const StoreConfig& store) {
  return {.compact_share = store.compact_share,
          .compact_min = store.compact_min,
          .device = index::device_of(store.device),
          .keep_versions = store.keep_versions};
}

// Bucket borders at the calibration's quantiles: without drift every bucket's share is known in advance.
std::vector<double> score_buckets(const drift::Calibration& calibration, const ScoringConfig& scoring) {
  const auto& sorted = drift::leave_one_out(calibration, drift::rule_of(scoring.rule), scoring.k);
  std::vector<double> borders;
  for (const double q : {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.999}) {
    const auto at = static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1));
    if (borders.empty() || sorted[at] > borders.back()) borders.push_back(sorted[at]);
  }
  return borders;
}

void check_calibration(const drift::Calibration& calibration, const ScoringConfig& scoring) {
  const auto rule = drift::rule_of(scoring.rule);
  (void)drift::threshold(scoring.alpha, calibration, rule, scoring.k);
  if (scoring.per_label) (void)drift::p_value(0, calibration, rule, scoring.k, "");
}

void report_state(const std::string& name, const LiveReference& live, Metrics& metrics) {
  const auto reference = live.current();
  metrics.reference_state(name, reference.items->version(), reference.items->size(), live.collection().changes(),
                          reference.manifest().search.recall, reference.manifest().search.score_error,
                          !live.collection().fault().empty());
  const auto fallback = reference.items->base().index().device_fallback();
  metrics.device_fallback(name, !fallback.empty());
}

References load_references(const Config& config, const embed::Bundle& bundle, Metrics& metrics, Readiness& progress) {
  References references;
  for (const auto& [name, directory] : config.references) {
    const auto what = "loading the reference " + name + " (" + std::to_string(references.size() + 1) + " of " +
                      std::to_string(config.references.size()) + ")";
    progress.with([&](auto& reason) { reason = what; });
    auto options = live_options(config.store);
    options.pictures = config.pictures;
    options.opening = [&progress, what](double share) {
      if (auto text = what + ": " + std::to_string(static_cast<int>(100 * share)) + "% of its bytes verified";
          share < 1) {
        progress.with([&](auto& reason) { reason = std::move(text); });
      }
    };
    auto& live = references[name];
    live = std::make_unique<LiveReference>(directory, bundle, options, [&live, name = name, &metrics] {
      if (live) report_state(name, *live, metrics);
    });
    const auto reference = live->current();
    if (reference.manifest().name != name) {
      throw Error{Errc::invalid_argument,
                  directory + " holds the reference \"" + reference.manifest().name + "\", not \"" + name + "\""};
    }
    // Fails now, not at the first image, when the reference is too small for the configured alpha or lacks what a
    // setting asks for.
    check_calibration(calibration_for(reference, score_options(config.scoring)), config.scoring);
    metrics.add_reference(name, score_buckets(reference.calibration(), config.scoring));
    report_state(name, *live, metrics);
    if (const auto fallback = reference.items->base().index().device_fallback(); !fallback.empty()) {
      log(LogLevel::warn, "searches run on the CPU", {{"reference", name}, {"reason", fallback}});
    }
    if (!live->collection().fault().empty()) {
      log(LogLevel::error, "files of the reference are damaged; an older version serves, for reading only",
          {{"reference", reference.id()}, {"reason", live->read_only()}});
    } else if (!live->read_only().empty()) {
      log(LogLevel::warn, "the reference is served for reading only",
          {{"reference", name}, {"reason", live->read_only()}});
    }
  }
  return references;
}

// Everything that remembers: the monitor, its store, and what is done about its alerts.
class Memory {
 public:
  Memory(const Config& config, const embed::Bundle& bundle, const References& references, asio::io_context& background,
         Metrics& metrics)
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
        accuracy_{
            {config.alerts.accuracy_run_length, config.alerts.accuracy_drop, config.scoring.k, bundle.pools.size()},
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

  [[nodiscard]] drift::Monitor& monitor() { return monitor_; }
  [[nodiscard]] Watchers watchers() { return {monitor_, feedback_, recent_, review_, pictures_}; }

  void add_routes(Router& router, asio::thread_pool& records, asio::thread_pool& trials) {
    add_alert_routes(router, records, monitor_, alerts_, store_);
    add_delivery_routes(router, records, store_, sender_);
    add_retrain_routes(router, records, store_, retrain_);
    add_feedback_routes(router, records, store_, feedback_, accuracy_);
    add_review_routes(router, records, review_, references_, model_, url_);
    add_shadow_routes(router, trials, shadow_);
    add_new_normal_routes(router, records, monitor_, alerts_, {review_, references_, model_});
  }

  void save() {
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

 private:
  static std::filesystem::path prepared(const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
      throw Error{Errc::invalid_argument,
                  "configuration: data_directory " + directory.string() + " cannot be made: " + error.message()};
    return directory;
  }

  void on_event(const drift::Alert& alert) {
    alerts_.on_event(monitor_, alert, now_ms());
    evidence_.raised(alert);
  }

  void refresh_gauges() {
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

  void schedule() {
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
        (void)heap_trim_.look(processor_seconds());
      } catch (const std::exception& failure) {
        log(LogLevel::error, "windows or alerts could not be saved; they will be tried again",
            {{"reason", failure.what()}});
      }
      schedule();
    });
  }

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

  // Confined to the background thread, and to serve() after that thread has ended
  asio::steady_timer tick_;
  const milliseconds interval_;
  HeapTrim heap_trim_;
  std::map<std::string, std::uint64_t, std::less<>> saved_images_;  // by stream, at most streams.max_streams
};

}  // namespace

int serve(const Config& config, std::ostream& out) {
  check_config(config);
  set_log_level(log_level_of(config.log_level));
  Readiness not_ready_because{"loading the model"};
  Metrics metrics{kVersion};

  // Health first: a supervisor must see a slow start as "not ready", not as dead.
  asio::io_context admin_io{1};
  Router admin_routes;
  add_admin_routes(admin_routes, not_ready_because, metrics);
  HttpServer admin{admin_io, http_options(config.admin, config.http), admin_routes};
  const IoThread admin_thread{admin_io};

  const auto bundle = embed::read_bundle(model_directory(config.model.directory, config.references.at("default")));
  metrics.set_model(bundle.id());
  // The model is loaded and timed while the references are read and verified.
  auto loading =
      std::async(std::launch::async, [&] { return embed::load_embedder(bundle, embedder_options(config.model)); });
  const auto references = load_references(config, bundle, metrics, not_ready_because);
  auto embedder = loading.get();

  asio::io_context background_io{1};
  Memory memory{config, bundle, references, background_io, metrics};
  std::optional<IoThread> background_thread{std::in_place, background_io};

  asio::io_context io{1};
  EmbeddingService embedding{bundle, std::move(embedder), metrics, embedding_options(config)};
  ScoringService scoring{
      embedding, references, memory.watchers(), metrics, score_options(config.scoring), config.scoring.recheck_every};
  Router routes{
      [&](std::string_view route, int status, double seconds) { metrics.http_request(route, status, seconds); }};
  add_public_routes(routes, scoring, memory.monitor(), config.http.max_image_bytes);
  asio::thread_pool records{1};  // handlers that read and write the store
  asio::thread_pool trials{1};   // versions are tried, which takes long
  memory.add_routes(routes, records, trials);
  add_reference_routes(routes, embedding, references);
  add_web_routes(routes);
  HttpServer server{io, http_options(config.http, config.http), routes,
                    [&](std::string_view reason) { metrics.rejected(reason); }};

  asio::signal_set signals{io, SIGTERM, SIGINT};
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    log(LogLevel::info, "stopping: no new connections, requests in flight are finished");
    not_ready_because.with([](auto& reason) { reason = "stopping"; });
    server.stop(milliseconds{config.http.shutdown_grace_ms}, [&io] { io.stop(); });
    signals.async_wait([](const boost::system::error_code& again, int) {
      if (!again) ::_exit(1);  // a second signal means now
    });
  });

  release_start_up_memory();
  not_ready_because.with([](auto& reason) { reason.clear(); });
  const auto url = [](const ListenConfig& listen, std::uint16_t port) {
    return "http://" + listen.address + ":" + std::to_string(port);
  };
  out << "driftd " << kVersion << " ready on " << url(config.http, server.port()) << " (admin "
      << url(config.admin, admin.port()) << ")" << std::endl;
  io.run();

  background_thread.reset();
  memory.save();
  return 0;
}

}  // namespace driftd::api
