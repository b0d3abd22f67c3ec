// The configuration of `driftd serve`: one struct per concern, each field with its default.
//
// Order of precedence: defaults < JSON file < environment (DRIFTD_HTTP__PORT=8081) < --set http.port=8081.
// An unknown key is an error that names its path. Not reloadable: a change takes a restart.
// Thread-safe: values and pure functions. All functions throw Error{invalid_argument}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drift/alert.hpp"

namespace driftd::api {

struct ListenConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: the system picks one, printed at start
};

struct HttpConfig : ListenConfig {
  std::size_t max_image_bytes = 16 << 20;
  std::size_t max_connections = 2000;
  std::uint32_t request_timeout_ms = 10'000;  // of one request, waiting included
  std::uint32_t shutdown_grace_ms = 20'000;
  std::string external_url;  // where people find this service, for links in notices
  bool insecure = false;     // allow an address that is not loopback, without keys and TLS
};

struct AdminConfig : ListenConfig {
  AdminConfig() { port = 9090; }
};

struct ModelConfig {
  std::string directory;        // a bundle; empty: the one that the default reference was built with
  std::string format = "any";   // any | torchscript | aotinductor
  int threads = 0;              // inside one batch; 0: all cores
  std::size_t max_queue = 256;  // images waiting for the model; more are answered with 503
};

struct StoreConfig {
  // Where references are searched: cpu, cuda:N or all (a build with GPU support); falls back to cpu.
  std::string device = "cpu";
  // A reference is compacted when the changes since it was built exceed this share of its items; 0: never by itself ...
  double compact_share = 0.1;
  std::size_t compact_min = 50;   // ... and are at least so many
  std::size_t keep_versions = 2;  // kept for rollback after a compaction, besides snapshots
};

struct ScoringConfig {
  std::string rule = "blend";  // blend | knn | rmean | d1r3 | mean | l1 | mahalanobis
  std::size_t k = 3;           // neighbours listed, and the k of rules knn, mean and l1
  // all | same_label: compare an image with items of its own label only (index build --same-label).
  std::string among = "all";
  // Rank an image among those of the label that its neighbours vote for, a label of few images with all.
  bool per_label = false;
  // One image in so many is searched for again in all cells of an ivf index, for driftd_index_recheck_*; 0: none.
  std::size_t recheck_every = 1000;
  double alpha = 0.05;  // p-value below which an image counts as out of distribution
};

struct StreamConfig {
  std::size_t window = 500;          // images
  std::uint32_t window_seconds = 0;  // a second window, by time, for GET /v1/streams and the detectors by time; 0: none
  std::size_t max_streams = 1000;
  std::uint32_t save_interval_ms = 1000;  // the most of a window that a power cut can lose
};

// For the streams that match a pattern, in place of the settings of alerts that have the same names.
struct StreamRuleConfig {
  std::string streams;  // * stands for any characters, ? for one
  std::optional<double> threshold;
  std::optional<std::size_t> min_images;
  std::optional<std::size_t> for_images;
  std::optional<double> resolve_below;  // without it, the lower of alerts.resolve_below and the threshold
  std::optional<std::size_t> resolve_after;
  std::optional<std::size_t> cooldown_images;
  std::optional<std::uint32_t> cooldown_s;
  std::optional<std::size_t> run_length;
  std::optional<std::vector<std::string>> detectors;
};

struct AlertConfig {
  double threshold = 0.10;          // fires when the lower 95% bound of the window's OOD rate is above this ...
  std::size_t min_images = 100;     // ... with at least so many images in the window ...
  std::size_t for_images = 20;      // ... for so many images in a row
  double resolve_below = 0.08;      // resolves when the window's OOD rate is below this ...
  std::size_t resolve_after = 50;   // ... for so many images in a row
  std::size_t cooldown_images = 0;  // after it resolved, the same rule of the same stream waits for so many images ...
  std::uint32_t cooldown_s = 0;     // ... and seconds before it may fire again
  std::uint32_t repeat_s = 0;       // a firing alert that nobody acknowledged is told again so often; 0: once
  std::size_t run_length = 10'000;  // images until a false alarm of a detector is expected; 0: only the rates watch
  // What watches, the most urgent first (drift/detectors/kinds.hpp).
  std::vector<std::string> detectors{"ood-rate", "e-detector"};
  // Labels until a false alarm of the rule "accuracy" is expected, at least; 0: rule is off.
  std::size_t accuracy_run_length = 2000;
  double accuracy_drop = 0.05;  // it finds an accuracy that is lower than the reference's own by more than this
  // Of small pictures kept with an alert: its strangest images and examples of each group; 0: none.
  std::size_t thumbnail_bytes = 64 << 10;
  // Of strange images held in memory as they came, of which the pictures are made.
  std::size_t picture_buffer_bytes = 32 << 20;
  std::vector<StreamRuleConfig> rules;  // the first that matches a stream counts
};

struct WebhookConfig {
  std::string name;                 // shown in deliveries and logs; empty: made from the URL
  std::string url;                  // https://host[:port]/path, or http://
  std::string format = "driftd";    // driftd | alertmanager | alertmanager-api | slack | cloudevents
  std::vector<std::string> events;  // alert.firing, alert.resolved, retrain.requested; empty: all that the format knows
  std::string secret_file;          // signs what is sent: a file of 1 to 4 lines, the secrets; empty: no signature
  std::string ca_file;              // certificates (PEM) to trust in place of the system's
  bool allow_private = false;       // may lead to an address that is not of the public Internet
  std::uint32_t timeout_ms = 5000;
  std::uint32_t max_attempts = 10;
};

struct RetrainConfig {
  std::string mode = "suggest";      // off | suggest: a person or a pipeline accepts a request | auto: accepted at once
  std::vector<std::string> command;  // run when a request is accepted, the request on its standard input; no shell
  std::uint32_t command_timeout_s = 600;
  // never | shadow: a ready version goes live when its OOD rate on recent images is low ...
  std::string activate = "never";
  double activate_below = 0.10;           // ... its upper 95% bound at most this ...
  std::size_t activate_min_images = 100;  // ... over at least so many images
};

struct ReviewConfig {
  std::size_t max_items = 500;       // images that wait for a person; 0: no review queue
  std::size_t max_bytes = 64 << 20;  // of their pictures; answered ones make room first
  // Of max_items: a uniform sample of all images, for honest estimates; the rest is strange and diverse.
  double random_share = 0.2;
  double stream_share = 0.5;       // of the diverse images: the most of one stream
  std::uint32_t image_side = 512;  // pixels of the longer side of a kept picture
};

struct ShadowConfig {
  std::size_t window = 500;          // newest embeddings of each stream, kept in memory to try a version on; 0: none
  std::size_t max_bytes = 64 << 20;  // of all of them; the stream that was silent for longest loses its oldest
};

struct Config {
  HttpConfig http;
  AdminConfig admin;
  ModelConfig model;
  std::map<std::string, std::string> references;  // name to directory; "default" must be among them
  StoreConfig store;
  ScoringConfig scoring;
  StreamConfig streams;
  AlertConfig alerts;
  std::vector<WebhookConfig> webhooks;
  RetrainConfig retrain;
  ReviewConfig review;
  ShadowConfig shadow;
  std::string data_directory;  // windows, alerts and unsent webhooks; one service at a time
  // false, for privacy: no image is kept, in the review queue or with an alert, and no training image is shown.
  bool pictures = true;
  std::string log_level = "info";  // debug | info | warn | error
};

// file may be empty: defaults only. sets are "a.b=value", value being JSON or, where that fails, a plain text.
[[nodiscard]] Config load_config(const std::filesystem::path& file, const std::vector<std::string>& sets,
                                 const std::map<std::string, std::string>& environment);

// Ranges, known names, paths that exist, and the rule that a public address needs `http.insecure`.
void check_config(const Config& config);

// The rates' rule for all streams, or for those that a rule of alerts.rules is about.
[[nodiscard]] drift::AlertRule alert_rule(const AlertConfig& alerts, const StreamRuleConfig& stream = {});

// The effective configuration as an indented JSON file: what `driftd config print` shows.
[[nodiscard]] std::string to_json(const Config& config);

// The variables of this process whose names start with DRIFTD_ and hold "__" or name a top-level key.
[[nodiscard]] std::map<std::string, std::string> driftd_environment();

}  // namespace driftd::api
