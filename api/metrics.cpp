#include "api/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <utility>

#include "core/guarded.hpp"

namespace driftd::api {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};
const Histogram::BucketBoundaries kPValues{0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;

  Family<Counter>& images =
      BuildCounter().Name("driftd_images_scored_total").Help("Images scored, by decision.").Register(registry);
  Family<Histogram>& scores = BuildHistogram()
                                  .Name("driftd_drift_score")
                                  .Help("Scores; buckets at quantiles of the calibration.")
                                  .Register(registry);
  Family<Histogram>& p_values =
      BuildHistogram().Name("driftd_drift_p_value").Help("Conformal p-values.").Register(registry);
  Family<Gauge>& windows = BuildGauge()
                               .Name("driftd_stream_ood_ratio")
                               .Help("Out-of-distribution rate of a stream's window.")
                               .Register(registry);
  Family<Gauge>& detectors =
      BuildGauge().Name("driftd_stream_detector").Help("Value of a stream's drift detector.").Register(registry);
  Family<Gauge>& limits = BuildGauge()
                              .Name("driftd_stream_detector_limit")
                              .Help("The value at which the detector raises an alert.")
                              .Register(registry);
  Family<Gauge>& alerts =
      BuildGauge().Name("driftd_alert_state").Help("0 none, 1 pending, 2 firing.").Register(registry);
  Family<Histogram>& stages =
      BuildHistogram().Name("driftd_stage_duration_seconds").Help("Time in a stage of a request.").Register(registry);
  Family<Counter>& requests =
      BuildCounter().Name("driftd_http_requests_total").Help("HTTP requests answered.").Register(registry);
  Family<Histogram>& durations = BuildHistogram()
                                     .Name("driftd_http_request_duration_seconds")
                                     .Help("Time from header to answer.")
                                     .Register(registry);
  Family<Counter>& rejections =
      BuildCounter().Name("driftd_rejected_total").Help("Requests refused before any work.").Register(registry);
  Family<Gauge>& queues =
      BuildGauge().Name("driftd_queue_depth").Help("Images waiting for the model.").Register(registry);
  Family<Counter>& webhooks =
      BuildCounter().Name("driftd_webhook_deliveries_total").Help("Webhook attempts, by result.").Register(registry);
  Family<Counter>& retrains = BuildCounter()
                                  .Name("driftd_retrain_requests_total")
                                  .Help("Retrain requests, by the status they came to; joined: by an alert.")
                                  .Register(registry);
  Family<Counter>& reviews = BuildCounter()
                                 .Name("driftd_review_images_total")
                                 .Help(
                                     "Images offered for review: queued, familiar (like a queued one), dropped (the "
                                     "hand-over was full), failed.")
                                 .Register(registry);
  Family<Counter>& evidence = BuildCounter()
                                  .Name("driftd_evidence_total")
                                  .Help("Breakdowns of the images of an alert: made, failed.")
                                  .Register(registry);
  Family<Gauge>& picture_buffer =
      BuildGauge()
          .Name("driftd_picture_buffer_bytes")
          .Help("Bytes of strange images in memory, kept to show some of them with an alert.")
          .Register(registry);
  Family<Gauge>& review_items =
      BuildGauge().Name("driftd_review_items").Help("Images in the review queue.").Register(registry);
  Family<Gauge>& review_bytes = BuildGauge()
                                    .Name("driftd_review_image_bytes")
                                    .Help("Bytes of the pictures in the review queue.")
                                    .Register(registry);
  Family<Gauge>& shadow_bytes = BuildGauge()
                                    .Name("driftd_shadow_window_bytes")
                                    .Help("Bytes of recent embeddings kept to try a version on.")
                                    .Register(registry);
  Family<Gauge>& items = BuildGauge().Name("driftd_reference_items").Help("Items of a reference.").Register(registry);
  Family<Gauge>& versions =
      BuildGauge().Name("driftd_reference_version").Help("The live version of a reference.").Register(registry);
  Family<Gauge>& changes = BuildGauge()
                               .Name("driftd_reference_changes")
                               .Help("Changes since the live version was built.")
                               .Register(registry);
  Family<Gauge>& damaged =
      BuildGauge()
          .Name("driftd_reference_damaged")
          .Help("1: files of the live version are damaged, an older one serves; the log names the file.")
          .Register(registry);
  Family<Gauge>& score_errors =
      BuildGauge()
          .Name("driftd_index_score_error")
          .Help("Mean absolute difference of scores by this index and by exact search, measured when it was built.")
          .Register(registry);
  Family<Gauge>& fallbacks =
      BuildGauge()
          .Name("driftd_index_device_fallback")
          .Help("1: searches run on the CPU, though another device is configured; the log says why.")
          .Register(registry);
  Family<Counter>& recheck_wanted = BuildCounter()
                                        .Name("driftd_index_recheck_neighbours_total")
                                        .Help("Neighbours of live queries that were searched for again in all cells.")
                                        .Register(registry);
  Family<Counter>& recheck_found = BuildCounter()
                                       .Name("driftd_index_recheck_found_total")
                                       .Help("Those of them that the index had found.")
                                       .Register(registry);
  Family<Gauge>& recalls = BuildGauge()
                               .Name("driftd_index_recall_ratio")
                               .Help("Share of the 3 nearest items that the index finds, measured when it was built.")
                               .Register(registry);
  Family<Gauge>& builds =
      BuildGauge().Name("driftd_build_info").Help("Constant 1; the version is a label.").Register(registry);
  Family<Gauge>& models =
      BuildGauge().Name("driftd_model_info").Help("Constant 1; the model is a label.").Register(registry);

  // What each image and request touches. A family finds its series by hashing a map of labels; these are found by name.
  struct Scored {
    Counter* in;
    Counter* ood;
    Histogram* score;
    Histogram* p_value;
  };
  struct Answered {
    Counter* count;
    Histogram* seconds;
  };
  Guarded<std::map<std::string, Histogram::BucketBoundaries>> score_buckets;  // by reference
  Guarded<std::map<std::string, Scored>> scored;                      // by reference and stream, as bounded as they are
  Guarded<std::map<std::pair<std::string, int>, Answered>> answered;  // by route and status
  std::map<std::string, Histogram*, std::less<>> stage;               // constant after construction

  Answered series_of(const std::string& route, int status) {
    return {&requests.Add({{"route", route}, {"status", std::to_string(status)}}),
            &durations.Add({{"route", route}}, kSeconds)};
  }

  // Both decisions exist from a stream's first image on.
  Scored series_of(const std::string& reference, const std::string& stream) {
    const auto buckets = score_buckets.with([&](auto& all) { return all[reference]; });
    return {&images.Add({{"reference", reference}, {"stream", stream}, {"decision", "in"}}),
            &images.Add({{"reference", reference}, {"stream", stream}, {"decision", "ood"}}),
            &scores.Add({{"reference", reference}}, buckets), &p_values.Add({{"reference", reference}}, kPValues)};
  }
};

Metrics::Metrics(const std::string& version) : impl_{std::make_unique<Impl>()} {
  impl_->builds.Add({{"version", version}}).Set(1);
  impl_->queues.Add({}).Set(0);
  for (const auto* result : {"delivered", "failed", "dead"}) impl_->webhooks.Add({{"result", result}});
  for (const auto* result :
       {"requested", "joined", "accepted", "training", "ready", "activated", "failed", "rejected"}) {
    impl_->retrains.Add({{"result", result}});
  }
  for (const auto* result : {"queued", "familiar", "dropped", "failed"}) impl_->reviews.Add({{"result", result}});
  review_queue(0, 0, 0);
  for (const auto* result : {"made", "failed"}) impl_->evidence.Add({{"result", result}});
  picture_buffer(0);
  shadow(0);
  for (const auto* reason : {"connections", "framing", "header", "timeout", "queue_full"})
    impl_->rejections.Add({{"reason", reason}});
  for (const auto* stage : {"queue", "decode", "embed", "search"})
    impl_->stage[stage] = &impl_->stages.Add({{"stage", stage}}, kSeconds);
}

Metrics::~Metrics() = default;

void Metrics::set_model(const std::string& model) {
  impl_->models.Add({{"model", model}}).Set(1);
}

void Metrics::reference_state(const std::string& reference, std::int64_t version, std::size_t items,
                              std::size_t changes, double recall, double score_error, bool damaged) {
  impl_->items.Add({{"reference", reference}}).Set(static_cast<double>(items));
  impl_->versions.Add({{"reference", reference}}).Set(static_cast<double>(version));
  impl_->changes.Add({{"reference", reference}}).Set(static_cast<double>(changes));
  impl_->recalls.Add({{"reference", reference}}).Set(recall);
  impl_->score_errors.Add({{"reference", reference}}).Set(score_error);
  impl_->damaged.Add({{"reference", reference}}).Set(damaged ? 1 : 0);
}

void Metrics::add_reference(const std::string& reference, const std::vector<double>& score_buckets) {
  impl_->score_buckets.with([&](auto& buckets) { buckets[reference] = score_buckets; });
  rechecked(reference, 0, 0);
  impl_->p_values.Add({{"reference", reference}}, kPValues);
  impl_->scores.Add({{"reference", reference}}, score_buckets);
}

void Metrics::device_fallback(const std::string& reference, bool on_cpu) {
  impl_->fallbacks.Add({{"reference", reference}}).Set(on_cpu ? 1 : 0);
}

void Metrics::rechecked(const std::string& reference, std::size_t found, std::size_t wanted) {
  impl_->recheck_found.Add({{"reference", reference}}).Increment(static_cast<double>(found));
  impl_->recheck_wanted.Add({{"reference", reference}}).Increment(static_cast<double>(wanted));
}

void Metrics::scored(const std::string& reference, const std::string& stream, bool ood, double score, double p_value) {
  const auto series = impl_->scored.with([&](auto& all) {
    auto name = reference + '\n' + stream;
    const auto found = all.find(name);
    return found != all.end() ? found->second
                              : all.emplace(std::move(name), impl_->series_of(reference, stream)).first->second;
  });
  (ood ? series.ood : series.in)->Increment();
  series.p_value->Observe(p_value);
  series.score->Observe(score);
}

void Metrics::stream_window(const std::string& stream, double rate, double lower, double upper) {
  impl_->windows.Add({{"stream", stream}, {"bound", "rate"}}).Set(rate);
  impl_->windows.Add({{"stream", stream}, {"bound", "lower"}}).Set(lower);
  impl_->windows.Add({{"stream", stream}, {"bound", "upper"}}).Set(upper);
}

void Metrics::stream_detector(const std::string& stream, const std::string& detector, double value, double limit) {
  impl_->detectors.Add({{"stream", stream}, {"detector", detector}}).Set(value);
  impl_->limits.Add({{"stream", stream}, {"detector", detector}}).Set(limit);
}

void Metrics::alert_state(const std::string& stream, const std::string& rule, int state) {
  impl_->alerts.Add({{"stream", stream}, {"rule", rule}}).Set(state);
}

void Metrics::stage(std::string_view stage, double seconds) {
  impl_->stage.find(stage)->second->Observe(seconds);
}

void Metrics::http_request(std::string_view route, int status, double seconds) {
  const auto series = impl_->answered.with([&](auto& all) {
    std::pair name{std::string{route}, status};
    const auto found = all.find(name);
    return found != all.end() ? found->second : all.emplace(name, impl_->series_of(name.first, status)).first->second;
  });
  series.count->Increment();
  series.seconds->Observe(seconds);
}

void Metrics::rejected(std::string_view reason) {
  impl_->rejections.Add({{"reason", std::string{reason}}}).Increment();
}

void Metrics::queue_depth(std::size_t depth) {
  impl_->queues.Add({}).Set(static_cast<double>(depth));
}

void Metrics::webhook_delivery(std::string_view result) {
  impl_->webhooks.Add({{"result", std::string{result}}}).Increment();
}

void Metrics::retrain(std::string_view result) {
  impl_->retrains.Add({{"result", std::string{result}}}).Increment();
}

void Metrics::review(std::string_view result) {
  impl_->reviews.Add({{"result", std::string{result}}}).Increment();
}

void Metrics::evidence(std::string_view result) {
  impl_->evidence.Add({{"result", std::string{result}}}).Increment();
}

void Metrics::picture_buffer(std::size_t bytes) {
  impl_->picture_buffer.Add({}).Set(static_cast<double>(bytes));
}

void Metrics::review_queue(std::size_t waiting, std::size_t answered, std::size_t image_bytes) {
  impl_->review_items.Add({{"state", "waiting"}}).Set(static_cast<double>(waiting));
  impl_->review_items.Add({{"state", "answered"}}).Set(static_cast<double>(answered));
  impl_->review_bytes.Add({}).Set(static_cast<double>(image_bytes));
}

void Metrics::shadow(std::size_t bytes) {
  impl_->shadow_bytes.Add({}).Set(static_cast<double>(bytes));
}

std::string Metrics::expose() const {
  return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

}  // namespace driftd::api
