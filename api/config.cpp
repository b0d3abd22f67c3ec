#include "api/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <cctype>
#include <concepts>
#include <string_view>
#include <type_traits>

#include "api/webhook_payload.hpp"
#include "api/webhook_url.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/e_detector.hpp"
#include "drift/scorer.hpp"
#include "drift/silence.hpp"
#include "drift/time_window.hpp"
#include "index/device.hpp"

namespace driftd::api {

// What the file may hold. The names are the JSON keys.
BOOST_DESCRIBE_STRUCT(ListenConfig, (), (address, port))
BOOST_DESCRIBE_STRUCT(HttpConfig, (ListenConfig),
                      (max_image_bytes, max_connections, request_timeout_ms, shutdown_grace_ms, external_url, insecure))
BOOST_DESCRIBE_STRUCT(AdminConfig, (ListenConfig), ())
BOOST_DESCRIBE_STRUCT(ModelConfig, (), (directory, format, threads, max_queue))
BOOST_DESCRIBE_STRUCT(ScoringConfig, (), (rule, k, among, per_label, recheck_every, alpha))
BOOST_DESCRIBE_STRUCT(StoreConfig, (), (device, compact_share, compact_min, keep_versions))
BOOST_DESCRIBE_STRUCT(StreamConfig, (), (window, window_seconds, max_streams, save_interval_ms))
BOOST_DESCRIBE_STRUCT(StreamRuleConfig, (),
                      (streams, threshold, min_images, for_images, resolve_below, resolve_after, cooldown_images,
                       cooldown_s, run_length, detectors))
BOOST_DESCRIBE_STRUCT(AlertConfig, (),
                      (threshold, min_images, for_images, resolve_below, resolve_after, cooldown_images, cooldown_s,
                       repeat_s, run_length, detectors, accuracy_run_length, accuracy_drop, thumbnail_bytes,
                       picture_buffer_bytes, rules))
BOOST_DESCRIBE_STRUCT(WebhookConfig, (),
                      (name, url, format, events, secret_file, ca_file, allow_private, timeout_ms, max_attempts))
BOOST_DESCRIBE_STRUCT(RetrainConfig, (),
                      (mode, command, command_timeout_s, activate, activate_below, activate_min_images))
BOOST_DESCRIBE_STRUCT(ReviewConfig, (), (max_items, max_bytes, random_share, stream_share, image_side))
BOOST_DESCRIBE_STRUCT(ShadowConfig, (), (window, max_bytes))
BOOST_DESCRIBE_STRUCT(Config, (),
                      (http, admin, model, references, store, scoring, streams, alerts, webhooks, retrain, review,
                       shadow, data_directory, pictures, log_level))

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using boost::describe::describe_members;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error{Errc::invalid_argument, "configuration: " + (path.empty() ? "the file" : "\"" + path + "\"") + " " + why};
}

template <class T>
using Members = describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;

template <class T>
concept Described = boost::describe::has_describe_members<T>::value;

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string{key} : path + "." + std::string{key};
}

// --- JSON to struct
// -----------------------------------------------------------------------------------------------------------------

void read(const json::value& in, std::string& out, const std::string& path) {
  if (!in.is_string()) refuse(path, "must be a text");
  out = json::value_to<std::string>(in);
}

void read(const json::value& in, bool& out, const std::string& path) {
  if (!in.is_bool()) refuse(path, "must be true or false");
  out = in.as_bool();
}

void read(const json::value& in, double& out, const std::string& path) {
  boost::system::error_code error;
  out = in.to_number<double>(error);
  if (error || !(out > -1e300 && out < 1e300)) refuse(path, "must be a number");
}

template <std::integral T>
void read(const json::value& in, T& out, const std::string& path) {
  boost::system::error_code error;
  out = in.to_number<T>(error);
  if (error)
    refuse(path, "must be a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                     std::to_string(std::numeric_limits<T>::max()));
}

template <Described T>
void read(const json::value& in, T& out, const std::string& path);

template <class T>
void read(const json::value& in, std::vector<T>& out, const std::string& path);

template <class T>
void read(const json::value& in, std::optional<T>& out, const std::string& path) {
  read(in, out.emplace(), path);
}

template <class T>
void read(const json::value& in, std::vector<T>& out, const std::string& path) {
  if (!in.is_array()) refuse(path, "must be a list");
  out.clear();
  for (const auto& element : in.as_array()) {
    const auto name = path + "[" + std::to_string(out.size()) + "]";
    read(element, out.emplace_back(), name);
  }
}

void read(const json::value& in, std::map<std::string, std::string>& out, const std::string& path) {
  if (!in.is_object()) refuse(path, "must be an object of texts");
  for (const auto& [key, value] : in.as_object()) read(value, out[std::string{key}], join(path, key));
}

template <Described T>
void read(const json::value& in, T& out, const std::string& path) {
  if (!in.is_object()) refuse(path, "must be an object");
  for (const auto& [key, value] : in.as_object()) {
    bool known = false;
    boost::mp11::mp_for_each<Members<T>>([&](auto member) {
      if (key != member.name) return;
      known = true;
      read(value, out.*member.pointer, join(path, key));
    });
    if (!known) refuse(join(path, key), "is no setting of driftd; `driftd config print` lists them all");
  }
}

// --- struct to JSON
// -----------------------------------------------------------------------------------------------------------------

template <class T>
json::value write(const T& in) {
  if constexpr (Described<T>) {
    json::object object;
    boost::mp11::mp_for_each<Members<T>>([&](auto member) {
      auto value = write(in.*member.pointer);
      if (!value.is_null()) object[member.name] = std::move(value);  // null: an option that is not set
    });
    return object;
  } else if constexpr (requires { typename T::mapped_type; }) {
    json::object object;
    for (const auto& [key, value] : in) object[key] = value;
    return object;
  } else if constexpr (requires { in.has_value(); }) {
    return in ? write(*in) : json::value(nullptr);
  } else if constexpr (std::is_same_v<T, std::vector<WebhookConfig>> ||
                       std::is_same_v<T, std::vector<StreamRuleConfig>>) {
    json::array array;
    for (const auto& element : in) array.push_back(write(element));
    return array;
  } else {
    return json::value_from(in);
  }
}

void print(const json::value& value, std::string& out, int depth) {
  const std::string indent(static_cast<std::size_t>(2 * depth + 2), ' ');
  const auto list = [&](char open, char close, const auto& elements, auto&& one) {
    out += open;
    bool first = true;
    for (const auto& element : elements) {
      out += first ? "\n" + indent : ",\n" + indent;
      first = false;
      one(element);
    }
    if (!first) out += "\n" + indent.substr(2);
    out += close;
  };
  if (value.is_object()) {
    list('{', '}', value.as_object(), [&](const auto& pair) {
      out += json::serialize(json::string{pair.key()}) + ": ";
      print(pair.value(), out, depth + 1);
    });
  } else if (value.is_array()) {
    list('[', ']', value.as_array(), [&](const auto& element) { print(element, out, depth + 1); });
  } else if (value.is_double()) {
    std::ostringstream text;  // 0.05, not 5E-2
    text << value.as_double();
    out += text.str();
  } else {
    out += json::serialize(value);
  }
}

// --- layers
// ---------------------------------------------------------------------------------------------------------------------------

json::value parse_file(const fs::path& file) {
  boost::system::error_code error;
  auto value = json::parse(read_text(file, 1 << 20), error);
  if (error)
    throw Error{Errc::invalid_argument, "configuration: " + file.string() + " is not JSON: " + error.message()};
  return value;
}

// {"a": {"b": value}} for "a.b": a setting becomes a small file of its own, so that one reader serves all layers.
json::value nested(std::string_view path, const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error) value = text;
  while (!path.empty()) {
    const auto dot = path.rfind('.');
    const auto key = dot == std::string_view::npos ? path : path.substr(dot + 1);
    value = json::object{{key, value}};
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
  }
  return value;
}

void apply(Config& config, std::string_view path, const std::string& text) {
  try {
    read(nested(path, text), config, "");
  } catch (const Error&) {  // "--set data_directory=123" means the text
    read(nested(path, json::serialize(json::string{text})), config, "");
  }
}

void require(bool holds, const std::string& path, const std::string& why) {
  if (!holds) refuse(path, why);
}

bool one_of(std::string_view value, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), value) != names.end();
}

constexpr std::uint32_t kMaxSeconds = 30 * 24 * 3600;

void check_rule(const Config& c, const drift::AlertRule& rule, const std::string& path) {
  require(rule.threshold > 0 && rule.threshold < 1, path + ".threshold", "must lie between 0 and 1");
  require(rule.threshold > c.scoring.alpha, path + ".threshold",
          "must be above scoring.alpha, the share of images that counts as out of distribution without any drift");
  require(rule.resolve_below > 0 && rule.resolve_below <= rule.threshold, path + ".resolve_below",
          "must be over 0 and not above the threshold");
  require(rule.min_size >= 1 && rule.min_size <= c.streams.window, path + ".min_images",
          "must be from 1 to streams.window");
  require(rule.for_images <= 1'000'000, path + ".for_images", "must be from 0 to 1000000");
  require(rule.resolve_after >= 1 && rule.resolve_after <= 1'000'000, path + ".resolve_after",
          "must be from 1 to 1000000");
  require(rule.cooldown_images <= 1'000'000, path + ".cooldown_images", "must be from 0 to 1000000");
  require(rule.cooldown_ms <= std::int64_t{kMaxSeconds} * 1000, path + ".cooldown_s", "must be from 0 to 2592000");
}

void check_detectors(const Config& c, std::size_t run_length, const std::vector<std::string>& detectors,
                     const std::string& path) {
  require(run_length == 0 || (run_length >= drift::kMinRunLength && run_length <= drift::kMaxRunLength),
          path + ".run_length", "must be 0 (only the rates watch) or from 1000 to 200000 images");
  for (const auto& name : detectors) {
    const auto* kind = drift::detector_kind(name);
    require(kind != nullptr && std::ranges::count(detectors, name) == 1, path + ".detectors",
            "must hold some of " + drift::detector_names() + ", each once");
    require(!kind->by_time || c.streams.window_seconds > 0, path + ".detectors",
            "holds " + name + ", which needs streams.window_seconds");
    require(name != "ood-count" || run_length == 0 || run_length >= 10 * c.streams.window, path + ".run_length",
            "must be at least 10 times streams.window for ood-count: one window in ten would be a false alarm");
  }
}

void check_webhook(const WebhookConfig& hook) {
  (void)parse_webhook_url(hook.url);
  require(webhook_format_of(hook.format).has_value(), "webhooks.format",
          "must be driftd, alertmanager, alertmanager-api, slack or cloudevents");
  for (const auto& event : hook.events) {
    require(one_of(event, {"alert.firing", "alert.resolved", kRetrainRequested}), "webhooks.events",
            "must hold alert.firing, alert.resolved or retrain.requested");
  }
  require(hook.name.size() <= 64, "webhooks.name", "must have at most 64 bytes");
  require(hook.timeout_ms >= 100 && hook.timeout_ms <= 30'000, "webhooks.timeout_ms", "must be from 100 to 30000");
  require(hook.max_attempts >= 1 && hook.max_attempts <= 1000, "webhooks.max_attempts", "must be from 1 to 1000");
}

void check_retrain(const RetrainConfig& retrain) {
  require(one_of(retrain.mode, {"off", "suggest", "auto"}), "retrain.mode", "must be off, suggest or auto");
  require(retrain.mode != "auto" || !retrain.command.empty(), "retrain.mode",
          "auto needs retrain.command: nothing else would begin the training");
  require(retrain.command.size() <= 64 && (retrain.command.empty() || !retrain.command.front().empty()),
          "retrain.command", "must be a program and at most 63 arguments");
  require(retrain.command_timeout_s >= 1 && retrain.command_timeout_s <= kMaxSeconds, "retrain.command_timeout_s",
          "must be from 1 to 2592000");
  require(one_of(retrain.activate, {"never", "shadow"}), "retrain.activate", "must be never or shadow");
  require(retrain.activate_below > 0 && retrain.activate_below < 1, "retrain.activate_below",
          "must lie between 0 and 1");
  require(retrain.activate_min_images >= 1 && retrain.activate_min_images <= 1'000'000, "retrain.activate_min_images",
          "must be from 1 to 1000000");
}

void check_review(const ReviewConfig& review) {
  require(review.max_items <= 5000, "review.max_items", "must be from 0 (no review queue) to 5000");
  require(review.max_bytes <= std::size_t{16} << 30, "review.max_bytes", "must be from 0 to 17179869184, 16 GiB");
  require(review.random_share >= 0 && review.random_share <= 1, "review.random_share", "must be from 0 to 1");
  require(review.stream_share > 0 && review.stream_share <= 1, "review.stream_share", "must be over 0 and at most 1");
  require(review.image_side >= 32 && review.image_side <= 4096, "review.image_side", "must be from 32 to 4096 pixels");
}

void check_shadow(const Config& c) {
  require(c.shadow.window <= 100'000, "shadow.window", "must be from 0 (off) to 100000 images");
  require(c.shadow.max_bytes <= std::size_t{16} << 30, "shadow.max_bytes", "must be from 0 to 17179869184, 16 GiB");
  require(c.retrain.activate == "never" || c.shadow.window >= c.retrain.activate_min_images,
          "retrain.activate_min_images",
          "must be at most shadow.window, or no version would ever be tried on enough images");
}

}  // namespace

drift::AlertRule alert_rule(const AlertConfig& alerts, const StreamRuleConfig& stream) {
  drift::AlertRule rule;
  rule.threshold = stream.threshold.value_or(alerts.threshold);
  rule.resolve_below = stream.resolve_below.value_or(std::min(alerts.resolve_below, rule.threshold));
  if (!stream.threshold && !stream.resolve_below) rule.resolve_below = alerts.resolve_below;
  rule.min_size = stream.min_images.value_or(alerts.min_images);
  rule.for_images = stream.for_images.value_or(alerts.for_images);
  rule.resolve_after = stream.resolve_after.value_or(alerts.resolve_after);
  rule.cooldown_images = stream.cooldown_images.value_or(alerts.cooldown_images);
  rule.cooldown_ms = 1000LL * stream.cooldown_s.value_or(alerts.cooldown_s);
  return rule;
}

Config load_config(const fs::path& file, const std::vector<std::string>& sets,
                   const std::map<std::string, std::string>& environment) {
  Config config;
  if (!file.empty()) read(parse_file(file), config, "");
  for (const auto& [path, text] : environment) apply(config, path, text);
  for (const auto& set : sets) {
    const auto equals = set.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error{Errc::invalid_argument, "--set needs key=value, not \"" + set + "\""};
    apply(config, std::string_view{set}.substr(0, equals), set.substr(equals + 1));
  }
  return config;
}

void check_config(const Config& c) {
  const auto loopback = [](const std::string& address) { return address.starts_with("127.") || address == "::1"; };
  require(loopback(c.http.address) || c.http.insecure, "http.address",
          "is reachable from outside, and this version has no keys and no TLS: put a proxy in front, or set "
          "http.insecure=true");
  require(loopback(c.admin.address) || c.http.insecure, "admin.address",
          "is reachable from outside; set http.insecure=true if that is wanted");
  require(one_of(c.model.format, {"any", "torchscript", "aotinductor"}), "model.format",
          "must be any, torchscript or aotinductor");
  require(c.model.threads >= 0 && c.model.threads <= 256, "model.threads", "must be from 0 to 256");
  require(c.model.max_queue >= 1 && c.model.max_queue <= 100'000, "model.max_queue", "must be from 1 to 100000");
  require(c.references.contains("default"), "references",
          "must name a reference called \"default\"; make one with: driftd index build");
  require(!c.data_directory.empty(), "data_directory",
          "must name a folder of driftd's own: windows, alerts and unsent webhooks live there");
  require(std::ranges::any_of(drift::kRules, [&](drift::Rule rule) { return c.scoring.rule == drift::name_of(rule); }),
          "scoring.rule", "must be " + drift::rule_names());
  require(c.scoring.k >= 1 && c.scoring.k <= 10, "scoring.k", "must be from 1 to 10");
  require(c.scoring.alpha > 0 && c.scoring.alpha < 1, "scoring.alpha", "must lie between 0 and 1");
  require(c.scoring.among == "all" || c.scoring.among == "same_label", "scoring.among", "must be all or same_label");
  (void)driftd::index::device_of(c.store.device);
  require(c.store.compact_share >= 0 && c.store.compact_share <= 1, "store.compact_share", "must be from 0 to 1");
  require(c.store.compact_min >= 1 && c.store.compact_min <= 100'000, "store.compact_min", "must be from 1 to 100000");
  require(c.store.keep_versions <= 1000, "store.keep_versions", "must be from 0 to 1000");
  require(c.streams.window >= 10 && c.streams.window <= 1'000'000, "streams.window",
          "must be from 10 to 1000000 images");
  require(c.streams.window_seconds <= drift::TimeWindow::kMaxSeconds, "streams.window_seconds",
          "must be from 0 (off) to 2678400, a month");
  require(c.streams.max_streams >= 1 && c.streams.max_streams <= 100'000, "streams.max_streams",
          "must be from 1 to 100000");
  require(c.streams.save_interval_ms >= 10 && c.streams.save_interval_ms <= 3'600'000, "streams.save_interval_ms",
          "must be from 10 to 3600000");
  check_rule(c, alert_rule(c.alerts), "alerts");
  check_detectors(c, c.alerts.run_length, c.alerts.detectors, "alerts");
  for (std::size_t i = 0; i < c.alerts.rules.size(); ++i) {
    const auto& rule = c.alerts.rules[i];
    const auto path = "alerts.rules[" + std::to_string(i) + "]";
    require(drift::is_stream_pattern(rule.streams), path + ".streams",
            "must be a pattern of stream names: 1 to 64 of A-Z a-z 0-9 . _ - * ?");
    check_rule(c, alert_rule(c.alerts, rule), path);
    check_detectors(c, rule.run_length.value_or(c.alerts.run_length), rule.detectors.value_or(c.alerts.detectors),
                    path);
  }
  require(c.alerts.repeat_s == 0 || (c.alerts.repeat_s >= 60 && c.alerts.repeat_s <= kMaxSeconds), "alerts.repeat_s",
          "must be 0 (told once) or from 60 to 2592000");
  require(c.alerts.accuracy_run_length == 0 ||
              (c.alerts.accuracy_run_length >= 100 && c.alerts.accuracy_run_length <= 1'000'000),
          "alerts.accuracy_run_length", "must be 0 (rule accuracy is off) or from 100 to 1000000 labels");
  require(c.alerts.accuracy_drop >= 0 && c.alerts.accuracy_drop < 1, "alerts.accuracy_drop",
          "must be at least 0 and below 1");
  require(c.alerts.thumbnail_bytes <= 16 << 20, "alerts.thumbnail_bytes",
          "must be from 0 (no pictures) to 16777216, 16 MiB an alert");
  require(c.alerts.picture_buffer_bytes <= std::size_t{16} << 30, "alerts.picture_buffer_bytes",
          "must be from 0 (no pictures) to 17179869184, 16 GiB");
  require(one_of(c.log_level, {"debug", "info", "warn", "error"}), "log_level", "must be debug, info, warn or error");
  require(c.http.max_connections >= 1 && c.http.max_connections <= 100'000, "http.max_connections",
          "must be from 1 to 100000");
  require(c.http.request_timeout_ms >= 100, "http.request_timeout_ms", "must be at least 100");
  require(c.http.max_image_bytes >= 1024, "http.max_image_bytes", "must be at least 1024");
  for (const auto& hook : c.webhooks) check_webhook(hook);
  check_retrain(c.retrain);
  check_review(c.review);
  check_shadow(c);
}

std::string to_json(const Config& config) {
  std::string text;
  print(write(config), text, 0);
  return text + "\n";
}

std::map<std::string, std::string> driftd_environment() {
  std::map<std::string, std::string> settings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    constexpr std::string_view kPrefix = "DRIFTD_";
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    std::string key{text.substr(kPrefix.size(), equals - kPrefix.size())};
    const bool is_setting =
        key.find("__") != std::string::npos || key == "DATA_DIRECTORY" || key == "PICTURES" || key == "LOG_LEVEL";
    if (!is_setting) continue;  // DRIFTD_CACHE and the like belong to the scripts
    std::transform(key.begin(), key.end(), key.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (auto at = key.find("__"); at != std::string::npos; at = key.find("__", at)) key.replace(at, 2, ".");
    settings[key] = text.substr(equals + 1);
  }
  return settings;
}

}  // namespace driftd::api
