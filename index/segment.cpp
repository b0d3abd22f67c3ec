#include "index/segment.hpp"

#include <algorithm>
#include <future>
#include <mutex>
#include <string_view>
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
  try {
    auto sums = parse_sums(read_text(directory / kSums, 1 << 20));
    for (const auto name : {kManifest, kVectors, kItems}) {
      if (!sums.contains(std::string{name}))
        throw Error{Errc::corrupt, "SHA256SUMS does not name " + std::string{name}};
    }
    return sums;
  } catch (const Error& error) {
    throw Error{error.code(), directory.string() + ": " + error.what()};
  }
}

// What is wrong with a file; empty when it is as it was written.
std::string fault_of(const fs::path& directory, const std::string& name, const std::string& hash,
                     const std::function<void(std::size_t)>& progress = {}) {
  if (!fs::exists(directory / name)) return name + " is missing";
  return sha256_file(directory / name, progress) == hash ? "" : name + " differs from its checksum";
}

std::vector<std::string> faults_of(const fs::path& directory, const std::map<std::string, std::string>& sums) {
  std::vector<std::string> faults;
  for (const auto& [name, hash] : sums) {
    if (auto fault = fault_of(directory, name, hash); !fault.empty()) faults.push_back(std::move(fault));
  }
  return faults;
}

// Counts the verified bytes of all files together.
class Verified {
 public:
  Verified(const fs::path& directory, const std::map<std::string, std::string>& sums, const Segment::Progress& report)
      : report_{report} {
    for (const auto& [name, hash] : sums) {
      std::error_code missing;  // found out when the file's turn comes
      const auto size = fs::file_size(directory / name, missing);
      if (!missing) total_ += size;
    }
  }
  void add(std::size_t bytes) {
    if (!report_) return;
    const std::lock_guard lock{mutex_};
    done_ += bytes;
    report_(static_cast<double>(done_) / static_cast<double>(std::max(done_, total_)));
  }

 private:
  const Segment::Progress& report_;
  std::uintmax_t total_ = 0;
  std::mutex mutex_;
  std::uintmax_t done_ = 0;
};

}  // namespace

void Segment::add(const std::vector<Item>& items, MatrixView vectors) {
  if (items.size() != vectors.rows) throw Error{Errc::invalid_argument, "as many items as vectors are needed"};
  if (metric_ == Metric::cosine) {
    ann_.add(scaled_to_unit(vectors));
  } else {
    ann_.add(vectors);
  }
  for (const auto& item : items) {
    if (!items_.add(view_of(item)))
      throw Error{Errc::invalid_argument, "the item id \"" + item.id + "\" is used twice"};
  }
}

std::vector<Item> Segment::items() const {
  std::vector<Item> all;
  all.reserve(items_.size());
  for (std::size_t row = 0; row < items_.size(); ++row) all.push_back(copy_of(items_.at(row)));
  return all;
}

Ann Segment::replace_index(Ann next) {
  if (next.size() != size() || next.dimension() != dimension())
    throw Error{Errc::invalid_argument, "the new index holds other vectors"};
  std::swap(ann_, next);
  return next;
}

void Segment::write(const fs::path& directory, Manifest manifest, const Attachments& attachments) const {
  for (std::size_t row = 0; row < items_.size(); ++row) check(items_.at(row));
  if (fs::exists(directory))
    throw Error{Errc::conflict, directory.string() + " exists already; choose another --out, or remove it"};
  manifest.kind = ann_.kind();
  manifest.metric = metric_;
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

Segment Segment::open(const fs::path& directory, const Progress& progress) {
  const auto sums = sums_in(directory);
  Verified verified{directory, sums, progress};
  const auto require_sound = [&](const std::string& name) {
    const auto fault = fault_of(directory, name, sums.at(name), [&](std::size_t bytes) { verified.add(bytes); });
    if (fault.empty()) return;
    throw Error{Errc::corrupt,
                directory.string() + ": " + fault + "; restore the directory from a copy or build it again"};
  };
  // The vectors are most of the bytes: their checksum runs beside the reading of everything else.
  auto vectors_sound = std::async(std::launch::async, [&] { require_sound(std::string{kVectors}); });
  for (const auto& [name, hash] : sums) {
    if (name != kVectors) require_sound(name);
  }
  const auto manifest = parse_manifest(read_text(directory / kManifest));
  Segment segment{manifest.dimension, manifest.metric};
  segment.manifest_ = manifest;
  segment.items_ = parse_items(read_text(directory / kItems));
  if (segment.items_.size() != manifest.count)
    throw Error{Errc::corrupt, "items.jsonl does not hold one line per vector"};
  for (const auto& [name, hash] : sums) {
    if (name != kManifest && name != kVectors && name != kItems)
      segment.attachments_[name] = read_file(directory / name);
  }
  vectors_sound.get();
  segment.ann_ = Ann::read(directory / kVectors, manifest.dimension, manifest.count);
  if (segment.ann_.kind() != manifest.kind || segment.ann_.nlist() != manifest.search.nlist ||
      segment.ann_.nprobe() != manifest.search.nprobe) {
    throw Error{Errc::corrupt, "vectors.faiss is not the index that reference.json describes"};
  }
  return segment;
}

const std::vector<std::uint32_t>& Segment::rows_of(const std::string& label) const {
  static const std::vector<std::uint32_t> kNone;
  const auto found = labels().find(label);
  return found == labels().end() ? kNone : found->second;
}

const std::vector<std::uint8_t>& Segment::attachment(const std::string& name) const {
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
