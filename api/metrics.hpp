// The numbers of driftd for Prometheus, by prometheus-cpp. metrics.cpp is the only file that includes it.
//
// Thread-safe. Labels come from bounded sets only: references and streams are bounded by configuration, routes are
// patterns. Series that exist from the start are created with value 0, so that rate() sees the first event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::api {

class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void set_model(const std::string& model);
  // score_buckets are the calibration's quantiles, so that Prometheus alone
  // recomputes a rate over any replicas and period.
  void add_reference(const std::string& reference, const std::vector<double>& score_buckets);
  // recall is the index's, of the 3 nearest, score_error the mean difference of its scores from exact search's, as
  // measured at build.
  void reference_state(const std::string& reference, std::int64_t version, std::size_t items, std::size_t changes,
                       double recall, double score_error, bool damaged);
  void device_fallback(const std::string& reference, bool on_cpu);
  // A live search compared with one of all cells: how many of the 3 nearest it found.
  void rechecked(const std::string& reference, std::size_t found, std::size_t wanted);
  void scored(const std::string& reference, const std::string& stream, bool ood, double score, double p_value);
  void stream_window(const std::string& stream, double rate, double lower, double upper);
  void stream_detector(const std::string& stream, const std::string& detector, double value, double limit);
  void alert_state(const std::string& stream, const std::string& rule, int state);  // 0 none, 1 pending, 2 firing
  void stage(std::string_view stage, double seconds);
  void http_request(std::string_view route, int status, double seconds);
  void rejected(std::string_view reason);
  void queue_depth(std::size_t depth);
  void webhook_delivery(std::string_view result);  // delivered | failed | dead
  void retrain(std::string_view result);           // joined, or the status that a request came to

  void review(std::string_view result);  // queued | familiar | dropped | failed
  void review_queue(std::size_t waiting, std::size_t answered, std::size_t image_bytes);
  void evidence(std::string_view result);  // made | failed
  void picture_buffer(std::size_t bytes);  // of strange images kept to show some of them
  void shadow(std::size_t bytes);          // of embeddings kept for replays

  [[nodiscard]] std::string expose() const;  // Prometheus text format 0.0.4

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftd::api
