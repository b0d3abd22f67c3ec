// What can be said of a collection's directory without opening it for use: declared in collection.hpp.
#include <algorithm>
#include <set>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "index/collection.hpp"
#include "index/layout.hpp"

namespace driftd::index {
namespace {

namespace fs = std::filesystem;
using Mode = sqlite::Database::Mode;

}  // namespace

Manifest read_live_manifest(const fs::path& directory) {
  if (is_single_segment(directory)) return read_manifest(directory);
  require_collection(directory);
  const Catalog catalog{catalog_of(directory), Mode::read};
  const auto record = catalog.version(catalog.live());
  auto manifest = read_manifest(segment_of(directory, record.segment));
  manifest.version = record.version;
  return manifest;
}

std::string live_digest(const fs::path& directory) {
  if (is_single_segment(directory)) return sha256_file(directory / "SHA256SUMS");
  require_collection(directory);
  const Catalog catalog{catalog_of(directory), Mode::read};
  const auto record = catalog.version(catalog.live());
  auto segment = sha256_file(segment_of(directory, record.segment) / "SHA256SUMS");
  if (record.changes == 0) return segment;
  const auto both = segment + record.head;
  return sha256(std::as_bytes(std::span{both}));
}

std::vector<std::string> verify_collection(const fs::path& directory) {
  if (is_single_segment(directory)) return verify(directory);
  require_collection(directory);
  std::vector<std::string> faults;
  std::set<std::int64_t> segments;
  try {
    const Catalog catalog{catalog_of(directory), Mode::read};
    faults = catalog.verify();
    for (const auto& version : catalog.versions()) segments.insert(version.segment);
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    faults.emplace_back(error.what());
    for (const auto segment : segments_in(directory)) segments.insert(segment);
  }
  for (const auto segment : segments) {
    const auto path = segment_of(directory, segment);
    const auto prefix = "versions/" + std::to_string(segment) + "/";
    if (!fs::exists(path)) {
      faults.push_back(prefix + " is missing");
      continue;
    }
    try {
      for (const auto& fault : verify(path)) faults.push_back(prefix + fault);
    } catch (const Error& error) {
      faults.push_back(prefix + ": " + error.what());
    }
  }
  return faults;
}

namespace {

bool holds(const std::vector<std::uint8_t>& bytes, const std::vector<float>& vector) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(vector.data());
  return std::search(bytes.begin(), bytes.end(), first, first + vector.size() * sizeof(float)) != bytes.end();
}

}  // namespace

Traces traces_of(const fs::path& directory, const std::string& id) {
  require_collection(directory);
  const Catalog catalog{catalog_of(directory), Mode::read};
  const auto live = catalog.version(catalog.live());
  Traces traces;
  std::vector<std::vector<float>> vectors;
  for (const auto& version : catalog.versions()) {
    auto& into = version.version == live.version ? traces.in_live : traces.in_others;
    const auto prefix = "version " + std::to_string(version.version) + ": ";
    const auto segment = Segment::open(segment_of(directory, version.segment));
    if (const auto row = segment.find(id)) {
      into.push_back(prefix + "versions/" + std::to_string(version.segment) + " holds the item");
      vectors.push_back(segment.index().vector(*row));
    }
    catalog.for_each_change(version, 0, [&](Change&& change) {
      if (change.value.item.id != id) return;
      into.push_back(prefix + "catalog.db holds a change of the item");
      if (!change.removed) vectors.push_back(std::move(change.value.vector));
    });
  }
  for (const auto& entry : fs::directory_iterator{segment_of(directory, live.segment)}) {
    const auto bytes = read_file(entry.path());
    if (std::ranges::any_of(vectors, [&](const auto& vector) { return holds(bytes, vector); })) {
      traces.in_live.push_back("versions/" + std::to_string(live.segment) + "/" + entry.path().filename().string() +
                               " holds the bytes of its vector");
    }
  }
  return traces;
}

}  // namespace driftd::index
