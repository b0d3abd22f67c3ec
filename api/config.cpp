#include "api/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <cctype>
#include <concepts>
#include <limits>
#include <sstream>
#include <string_view>

#include "core/error.hpp"
#include "core/file.hpp"

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

// --- JSON to struct ---

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

// --- Struct to JSON ---

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
  } else if constexpr (requires { requires Described<typename T::value_type>; }) {
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

// --- Layers ---

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
