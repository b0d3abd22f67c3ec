#include "embed/bundle.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::embed {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kManifest = "model.json";
constexpr std::int64_t kFormat = 2;                 // 1: the network read floats
constexpr std::uintmax_t kMaxManifest = 1U << 20U;  // bytes
constexpr std::int64_t kMaxDimension = 65'536;
constexpr std::int64_t kMaxSide = 4'096;  // pixels of the network's input
constexpr std::int64_t kMaxBatch = 1'024;
constexpr std::int64_t kMaxThreads = 65'536;
constexpr std::int64_t kMaxGolden = 16;
constexpr std::size_t kMaxEntries = 256;  // of any list in the manifest
static_assert(std::endian::native == std::endian::little, "golden files are little-endian and read as they are");

[[noreturn]] void corrupt(const std::string& what) {
  throw Error{Errc::corrupt, what + "; export the model again"};
}

// A value of the manifest that knows its place, so that each complaint names it.
class Node {
 public:
  Node(const json::value& value, std::string path) : value_{&value}, path_{std::move(path)} {}

  [[noreturn]] void refuse(const std::string& rule) const {
    throw Error{Errc::invalid_argument,
                std::string{kManifest} + ": " + path_ + " must be " + rule + "; export the model again"};
  }
  [[nodiscard]] Node at(const std::string& key) const {
    const Node child{*value_, path_.empty() ? key : path_ + "." + key};
    const json::value* found = object().if_contains(key);
    if (found == nullptr) child.refuse("present");
    return {*found, child.path_};
  }
  [[nodiscard]] const json::object& object() const {
    if (!value_->is_object()) refuse("an object");
    return value_->get_object();
  }
  [[nodiscard]] std::vector<Node> items() const {
    if (!value_->is_array() || value_->get_array().empty() || value_->get_array().size() > kMaxEntries) {
      refuse("a list of 1 to " + std::to_string(kMaxEntries));
    }
    std::vector<Node> nodes;
    for (const json::value& item : value_->get_array())
      nodes.emplace_back(item, path_ + "[" + std::to_string(nodes.size()) + "]");
    return nodes;
  }
  [[nodiscard]] std::string text() const {
    if (!value_->is_string() || value_->get_string().empty()) refuse("a text");
    return std::string{value_->get_string()};
  }
  [[nodiscard]] std::int64_t integer(std::int64_t low, std::int64_t high) const {
    if (!value_->is_int64() || value_->get_int64() < low || value_->get_int64() > high) {
      refuse("a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value_->get_int64();
  }
  [[nodiscard]] float number() const {
    json::error_code failed;
    const auto value = static_cast<float>(value_->to_number<double>(failed));
    if (failed || !std::isfinite(value)) refuse("a number");
    return value;
  }
  [[nodiscard]] float positive() const {
    const auto value = number();
    if (value <= 0) refuse("above 0");
    return value;
  }
  template <class T>
  [[nodiscard]] T one_of(const std::map<std::string, T>& choices) const {
    const auto found = choices.find(text());
    if (found == choices.end()) {
      refuse("one of " +
             std::accumulate(choices.begin(), choices.end(), std::string{}, [](std::string list, const auto& choice) {
               return std::move(list) + (list.empty() ? "" : ", ") + choice.first;
             }));
    }
    return found->second;
  }

 private:
  const json::value* value_;
  std::string path_;
};

// A name that cannot lead out of the bundle.
bool is_plain(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name.find('\0') == std::string::npos && name != "." &&
         name != "..";
}

struct Manifest {
  std::string hash;
  json::value root;
};

Manifest read_manifest(const fs::path& directory) {
  const fs::path path = directory / kManifest;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    throw Error{Errc::not_found, "no model at " + directory.string() + ": it has no " + kManifest +
                                     "; make one with 'driftd model export'"};
  }
  const std::string text = read_text(path, kMaxManifest);
  json::error_code failed;
  json::value root = json::parse(text, failed);
  if (failed) corrupt(path.string() + " is not JSON (" + failed.message() + ")");
  return {sha256(std::as_bytes(std::span{text})), std::move(root)};
}

// Checks every listed file against its size and hash. Returns the names.
std::vector<std::string> verify_files(const fs::path& directory, const Node& files) {
  if (files.object().size() > kMaxEntries) files.refuse("of at most " + std::to_string(kMaxEntries) + " files");
  std::vector<std::string> names;
  for (const auto& [key, value] : files.object()) {
    const std::string name{key};
    if (!is_plain(name)) files.refuse("a list of plain file names");
    const Node entry = files.at(name);
    const fs::path path = directory / name;
    std::error_code failed;
    if (!fs::is_regular_file(path, failed)) corrupt(path.string() + " is missing");
    const auto expected = static_cast<std::uintmax_t>(entry.at("size").integer(0, INT64_MAX));
    const std::uintmax_t size = fs::file_size(path, failed);
    if (failed || size != expected) {
      corrupt(path.string() + " has " + std::to_string(size) + " bytes in place of " + std::to_string(expected));
    }
    if (sha256_file(path) != entry.at("sha256").text())
      corrupt(path.string() + " is not the file that was exported (its SHA-256 differs)");
    names.push_back(name);
  }
  return names;
}

Preprocess read_preprocess(const Node& node) {
  Preprocess spec;
  spec.mode = node.at("mode").one_of<Preprocess::Mode>(
      {{"stretch", Preprocess::Mode::stretch}, {"short_side", Preprocess::Mode::short_side}});
  spec.filter = node.at("filter").one_of<Filter>({{"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}});
  spec.height = static_cast<int>(node.at("height").integer(1, kMaxSide));
  spec.width = static_cast<int>(node.at("width").integer(1, kMaxSide));
  if (spec.mode == Preprocess::Mode::short_side) {
    spec.short_side = static_cast<int>(node.at("short_side").integer(std::max(spec.height, spec.width), kMaxSide));
  }
  return spec;
}

std::vector<Bundle::Pool> read_pools(const Node& node, std::size_t dimension) {
  std::vector<Bundle::Pool> pools;
  std::size_t sum = 0;
  for (const Node& item : node.items()) {
    pools.push_back({item.at("name").text(), static_cast<std::size_t>(item.at("dimension").integer(1, kMaxDimension))});
    sum += pools.back().dimension;
  }
  if (sum != dimension) node.refuse("pools whose dimensions add up to " + std::to_string(dimension));
  return pools;
}

using Listed = std::function<fs::path(const Node&)>;  // the path of a file that verify_files() has seen

std::vector<Bundle::Weights> read_weights(const Node& node, const Listed& listed) {
  std::vector<Bundle::Weights> weights;
  for (const Node& item : node.items()) {
    const auto format = item.at("format").one_of<Bundle::WeightsFormat>(
        {{"torchscript", Bundle::WeightsFormat::torchscript}, {"aotinductor", Bundle::WeightsFormat::aotinductor}});
    const bool fixed = format == Bundle::WeightsFormat::aotinductor;
    weights.push_back({.path = listed(item.at("file")),
                       .format = format,
                       .batch = static_cast<int>(item.at("batch").integer(fixed ? 1 : 0, fixed ? kMaxBatch : 0)),
                       .milliseconds = fixed ? item.at("milliseconds").positive() : 0});
    if (item.object().contains("milliseconds_together"))  // bundles had none at first
      weights.back().milliseconds_together = item.at("milliseconds_together").positive();
  }
  return weights;
}

std::optional<Bundle::Lone> read_lone(const Node& root, const Listed& listed) {
  if (!root.object().contains("lone")) return std::nullopt;
  const Node lone = root.at("lone");
  return Bundle::Lone{listed(lone.at("file")), static_cast<std::size_t>(lone.at("threads").integer(2, kMaxThreads))};
}

std::vector<std::uint8_t> read_golden(const fs::path& path, std::size_t size) {
  auto bytes = read_file(path);
  if (bytes.size() != size)
    corrupt(path.string() + " has " + std::to_string(bytes.size()) + " bytes in place of " + std::to_string(size));
  return bytes;
}

std::vector<Image> read_images(const fs::path& path, std::size_t count, const Preprocess& spec) {
  const auto bytes = read_golden(path, count * spec.bytes());
  std::vector<Image> images;
  for (auto next = bytes.begin(); next != bytes.end(); next += static_cast<std::ptrdiff_t>(spec.bytes()))
    images.push_back({spec.width, spec.height, {next, next + static_cast<std::ptrdiff_t>(spec.bytes())}});
  return images;
}

Matrix read_embeddings(const fs::path& path, std::size_t rows, std::size_t cols) {
  Matrix matrix{rows, cols};
  const auto bytes = read_golden(path, matrix.data.size() * sizeof(float));
  std::memcpy(matrix.data.data(), bytes.data(), bytes.size());
  if (!std::ranges::all_of(matrix.data, [](float value) { return std::isfinite(value); })) {
    corrupt(path.string() + " holds a value that is not finite");
  }
  return matrix;
}

}  // namespace

Bundle read_bundle(const fs::path& directory) {
  const Manifest manifest = read_manifest(directory);
  const Node root{manifest.root, ""};
  if (const auto format = root.at("format").integer(1, INT64_MAX); format != kFormat) {
    throw Error{
        Errc::invalid_argument,
        (directory / kManifest).string() + " is of format " + std::to_string(format) + ", this program reads " +
            std::to_string(kFormat) +
            (format > kFormat ? "; use a newer driftd" : "; export the model again, and build its references again")};
  }
  const std::vector<std::string> names = verify_files(directory, root.at("files"));
  const Listed listed = [&](const Node& node) {
    const std::string name = node.text();
    if (std::ranges::find(names, name) == names.end()) node.refuse("a file that 'files' lists with its hash");
    return directory / name;
  };

  Bundle bundle;
  bundle.directory = directory;
  bundle.name = root.at("name").text();
  bundle.hash = manifest.hash;
  bundle.precision = root.at("precision").one_of<std::string>({{"fp32", "fp32"}, {"bf16", "bf16"}, {"int8", "int8"}});
  bundle.dimension = static_cast<std::size_t>(root.at("dimension").integer(1, kMaxDimension));
  bundle.pools = read_pools(root.at("pools"), bundle.dimension);
  bundle.preprocess = read_preprocess(root.at("preprocess"));
  bundle.weights = read_weights(root.at("weights"), listed);
  bundle.lone = read_lone(root, listed);
  const Node golden = root.at("golden");
  const auto count = static_cast<std::size_t>(golden.at("count").integer(1, kMaxGolden));
  bundle.golden_input = read_images(listed(golden.at("input")), count, bundle.preprocess);
  bundle.golden_output = read_embeddings(listed(golden.at("output")), count, bundle.dimension);
  bundle.tolerance = golden.at("tolerance").number();
  if (bundle.tolerance <= 0 || bundle.tolerance > 1) golden.at("tolerance").refuse("above 0 and at most 1");
  return bundle;
}

}  // namespace driftd::embed
