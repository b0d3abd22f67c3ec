#include "index/collection.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "index/manifest.hpp"

namespace driftd::index {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSums = "SHA256SUMS";
constexpr std::string_view kManifest = "reference.json";
constexpr std::string_view kVectors = "vectors.faiss";
constexpr std::string_view kItems = "items.jsonl";

std::map<std::string, std::string> sums_in(const fs::path& directory) {
  if (!fs::exists(directory / kSums)) {
    throw Error{Errc::not_found, directory.string() + " is not a reference (it has no " + std::string{kSums} +
                                     "); build one with: driftd index build"};
  }
  auto sums = parse_sums(read_text(directory / kSums, 1 << 20));
  for (const auto name : {kManifest, kVectors, kItems}) {
    if (!sums.contains(std::string{name})) throw Error{Errc::corrupt, std::string{kSums} + " does not name " + std::string{name}};
  }
  return sums;
}

std::vector<std::string> faults_of(const fs::path& directory, const std::map<std::string, std::string>& sums) {
  std::vector<std::string> faults;
  for (const auto& [name, hash] : sums) {
    if (!fs::exists(directory / name)) {
      faults.push_back(name + " is missing");
    } else if (sha256_file(directory / name) != hash) {
      faults.push_back(name + " differs from its checksum");
    }
  }
  return faults;
}

void require_unique(const std::vector<Item>& items, Errc code) {
  std::unordered_set<std::string_view> seen;
  for (const auto& item : items) {
    if (item.id.empty() || item.id.size() > 256) throw Error{code, "an item id must have 1 to 256 bytes"};
    if (!seen.insert(item.id).second) throw Error{code, "the item id \"" + item.id + "\" is used twice"};
  }
}

}  // namespace

void Collection::add(std::vector<Item> items, MatrixView vectors) {
  if (items.size() != vectors.rows) throw Error{Errc::invalid_argument, "as many items as vectors are needed"};
  ann_.add(vectors);
  std::move(items.begin(), items.end(), std::back_inserter(items_));
}

Ann Collection::replace_index(Ann next) {
  if (next.size() != size() || next.dimension() != dimension())
    throw Error{Errc::invalid_argument, "the new index holds other vectors"};
  std::swap(ann_, next);
  return next;
}

void Collection::write(const fs::path& directory, Manifest manifest, const Attachments& attachments) const {
  require_unique(items_, Errc::invalid_argument);
  if (fs::exists(directory)) throw Error{Errc::conflict, directory.string() + " exists already; choose another --out, or remove it"};
  manifest.kind = ann_.kind();
  manifest.search.nlist = ann_.nlist();
  manifest.search.nprobe = ann_.nprobe();
  manifest.dimension = dimension();
  manifest.count = size();
  auto staging = directory;
  staging += ".building";
  fs::remove_all(staging);
  fs::create_directories(staging);
  ann_.write(staging / kVectors);
  write_file_atomically(staging / kItems, to_lines(items_));
  write_file_atomically(staging / kManifest, to_json(manifest));
  for (const auto& [name, bytes] : attachments) write_file_atomically(staging / name, std::as_bytes(std::span{bytes}));
  write_file_atomically(staging / kSums, sums_of(staging));
  publish_directory(staging, directory);
}

Collection Collection::open(const fs::path& directory) {
  const auto sums = sums_in(directory);
  const auto faults = faults_of(directory, sums);
  if (!faults.empty()) {
    throw Error{Errc::corrupt, directory.string() + ": " + faults.front() + "; restore the directory from a copy or build it again"};
  }
  const auto manifest = parse_manifest(read_text(directory / kManifest));
  Collection collection{manifest.dimension};
  collection.manifest_ = manifest;
  collection.ann_ = Ann::read(directory / kVectors, manifest.dimension, manifest.count);
  if (collection.ann_.kind() != manifest.kind || collection.ann_.nlist() != manifest.search.nlist ||
      collection.ann_.nprobe() != manifest.search.nprobe) {
    throw Error{Errc::corrupt, "vectors.faiss is not the index that reference.json describes"};
  }
  collection.items_ = parse_items(read_text(directory / kItems));
  if (collection.items_.size() != manifest.count) throw Error{Errc::corrupt, "items.jsonl does not hold one line per vector"};
  require_unique(collection.items_, Errc::corrupt);
  for (const auto& [name, hash] : sums) {
    if (name != kManifest && name != kVectors && name != kItems) collection.attachments_[name] = read_file(directory / name);
  }
  return collection;
}

const std::vector<std::uint8_t>& Collection::attachment(const std::string& name) const {
  const auto found = attachments_.find(name);
  if (found == attachments_.end()) throw Error{Errc::corrupt, "the reference lacks its file " + name};
  return found->second;
}

Manifest read_manifest(const fs::path& directory) {
  const auto sums = sums_in(directory);
  if (sha256_file(directory / kManifest) != sums.at(std::string{kManifest})) {
    throw Error{Errc::corrupt, directory.string() + ": " + std::string{kManifest} + " differs from its checksum"};
  }
  return parse_manifest(read_text(directory / kManifest, 1 << 20));
}

std::vector<std::string> verify(const fs::path& directory) {
  try {
    return faults_of(directory, sums_in(directory));
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    return {error.what()};
  }
}

}  // namespace driftd::index
