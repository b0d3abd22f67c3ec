#include "index/manifest.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace driftd::index {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

json::object parse_object(std::string_view text, std::string_view what) {
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error || !value.is_object()) throw Error{Errc::corrupt, std::string{what} + " is not a JSON object"};
  return std::move(value.as_object());
}

template <class T>
T field(const json::object& object, std::string_view key, std::string_view what) {
  const auto* value = object.if_contains(key);
  if (value != nullptr) {
    if (const auto result = json::try_value_to<T>(*value)) return *result;
  }
  throw Error{Errc::corrupt, std::string{what} + " lacks a sound \"" + std::string{key} + "\""};
}

SearchFigures parse_search(const json::object& object) {
  constexpr std::string_view kWhat = "reference.json's search";
  SearchFigures search;
  search.nlist = field<std::size_t>(object, "nlist", kWhat);
  search.nprobe = field<std::size_t>(object, "nprobe", kWhat);
  search.recall = field<double>(object, "recall_at_3", kWhat);
  search.score_error = field<double>(object, "score_error", kWhat);
  search.sample = field<std::size_t>(object, "sample", kWhat);
  return search;
}

template <class F>
void for_each_line(std::string_view text, F&& use) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

std::string to_json(const Manifest& m) {
  const json::object object{
      {"format", m.metric == Metric::l2 ? 1 : kFormat},
      {"name", m.name},
      {"version", m.version},
      {"created", m.created},
      {"kind", name_of(m.kind)},
      {"metric", name_of(m.metric)},
      {"search",
       {{"nlist", m.search.nlist},
        {"nprobe", m.search.nprobe},
        {"recall_at_3", m.search.recall},
        {"score_error", m.search.score_error},
        {"sample", m.search.sample}}},
      {"dimension", m.dimension},
      {"count", m.count},
      {"model", {{"name", m.model_name}, {"hash", m.model_hash}, {"directory", m.model_directory}}},
      {"skipped", m.skipped}};
  return json::serialize(object) + "\n";
}

Manifest parse_manifest(std::string_view text) {
  constexpr std::string_view kWhat = "reference.json";
  const auto object = parse_object(text, kWhat);
  const auto format = field<std::int64_t>(object, "format", kWhat);
  if (format < 1 || format > kFormat) {
    throw Error{Errc::invalid_argument, "this reference has format " + std::to_string(format) +
                                            ", this driftd reads formats 1 to " + std::to_string(kFormat) +
                                            ": use the driftd that built it, or build it again"};
  }
  const auto model = field<json::object>(object, "model", kWhat);
  Manifest m;
  m.name = field<std::string>(object, "name", kWhat);
  m.version = field<std::int64_t>(object, "version", kWhat);
  m.created = field<std::string>(object, "created", kWhat);
  m.kind = kind_of(field<std::string>(object, "kind", kWhat));
  m.metric = metric_of(field<std::string>(object, "metric", kWhat));
  m.search = parse_search(field<json::object>(object, "search", kWhat));
  m.dimension = field<std::size_t>(object, "dimension", kWhat);
  m.count = field<std::size_t>(object, "count", kWhat);
  m.skipped = field<std::size_t>(object, "skipped", kWhat);
  m.model_name = field<std::string>(model, "name", kWhat);
  m.model_hash = field<std::string>(model, "hash", kWhat);
  m.model_directory = field<std::string>(model, "directory", kWhat);
  return m;
}

std::string to_lines(const Items& items) {
  std::string lines;
  for (std::size_t row = 0; row < items.size(); ++row) {
    const auto item = items.at(row);
    json::object object{{"id", item.id}, {"label", item.label}, {"uri", item.uri}};
    if (!item.metadata.empty()) object["metadata"] = json::parse(item.metadata);
    lines += json::serialize(object);
    lines += '\n';
  }
  return lines;
}

Items parse_items(std::string_view lines) {
  Items items;
  items.reserve(static_cast<std::size_t>(std::ranges::count(lines, '\n')));  // growing would leave up to as many unused
  for_each_line(lines, [&](std::string_view line) {
    const auto what = "items.jsonl line " + std::to_string(items.size() + 1);
    const auto object = parse_object(line, what);
    Item item{field<std::string>(object, "id", what),
              field<std::string>(object, "label", what),
              field<std::string>(object, "uri", what),
              {}};
    if (const auto* metadata = object.if_contains("metadata")) item.metadata = json::serialize(*metadata);
    if (!items.add(view_of(item))) throw Error{Errc::corrupt, "items.jsonl uses the id \"" + item.id + "\" twice"};
  });
  return items;
}

std::string sums_of(const fs::path& directory) {
  std::map<std::string, std::string> sums;
  for (const auto& entry : fs::directory_iterator{directory}) {
    const auto name = entry.path().filename().string();
    if (name != "SHA256SUMS") sums[name] = sha256_file(entry.path());
  }
  std::string text;
  for (const auto& [name, hash] : sums) text += hash + "  " + name + "\n";
  return text;
}

std::map<std::string, std::string> parse_sums(std::string_view text) {
  std::map<std::string, std::string> sums;
  for_each_line(text, [&](std::string_view line) {
    const bool sound = line.size() > 66 && line.substr(64, 2) == "  " && line.find('/') == std::string_view::npos &&
                       line.substr(0, 64).find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!sound) throw Error{Errc::corrupt, "SHA256SUMS is damaged"};
    sums.emplace(line.substr(66), line.substr(0, 64));
  });
  return sums;
}

}  // namespace driftd::index
