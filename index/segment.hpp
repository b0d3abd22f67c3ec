// The vectors and items of a version as they were when it was built: written once as a checksummed directory
// (FORMAT.md), searched from then on. What is added or removed later is the Collection's business.
//
// Immutable once written or opened, so any number of threads may search it without locks. Knows distances, never drift:
// what other libraries keep with a reference (its calibration) travels as a named attachment, an opaque run of bytes
// under the same checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/matrix.hpp"
#include "index/ann.hpp"
#include "index/item.hpp"
#include "index/items.hpp"
#include "index/metric.hpp"

namespace driftd::index {

// How the index searches, and how near that comes to exact search as measured when the reference was built.
struct SearchFigures {
  std::size_t nlist = 0;  // cells, and how many of them a query reads; 0 where the kind has none
  std::size_t nprobe = 0;
  double recall = 1;       // share of a query's true 3 nearest vectors that is found
  double score_error = 0;  // mean absolute difference between scores by this search and by exact search
  std::size_t sample = 0;  // items measured on, each as a query against the others; 0: exact, nothing to measure
};

struct Manifest {
  std::string name = "default";
  std::int64_t version = 1;
  std::string created;  // RFC 3339
  std::string model_name;
  std::string model_hash;
  std::string model_directory;  // where the bundle was when this was built: a hint, the hash decides
  Kind kind = Kind::flat;
  Metric metric = Metric::l2;
  SearchFigures search;
  std::size_t dimension = 0;
  std::size_t count = 0;
  std::size_t skipped = 0;

  [[nodiscard]] std::string id() const { return name + "@" + std::to_string(version); }
};

class Segment {
 public:
  using Attachments = std::map<std::string, std::vector<std::uint8_t>>;  // file name to content

  using Progress = std::function<void(double share)>;

  explicit Segment(std::size_t dimension, Metric metric = Metric::l2) : ann_{dimension}, metric_{metric} {}

  // Before write() only. Throws Error{invalid_argument} on a wrong dimension, an id used before, fewer items than rows,
  // or a vector of zeros under cosine; the segment is of no use then.
  void add(const std::vector<Item>& items, MatrixView vectors);

  // As Ann::place(). Must not run beside search().
  void place(const Device& device) { ann_.place(device); }

  // Exchanges the index for another over the same vectors, row for row, and returns the one until now. Before write()
  // only. Throws Error{invalid_argument} when the sizes differ.
  Ann replace_index(Ann next);
  // As Ann::set_nprobe(). Before write() only.
  void set_nprobe(std::size_t nprobe) { ann_.set_nprobe(nprobe); }

  // manifest's kind, metric, cells, dimension and count are filled in. Throws Error: conflict when directory exists,
  // internal when writing fails.
  void write(const std::filesystem::path& directory, Manifest manifest, const Attachments& attachments) const;

  // Verifies every byte, then loads. Costs two passes over the files (about 1 s per GB from a warm cache); two threads.
  // `progress` is told the share of the bytes that is verified, from both threads and never less than before.
  // Throws Error: not_found (no reference there), corrupt (naming the file), invalid_argument (a newer format).
  [[nodiscard]] static Segment open(const std::filesystem::path& directory, const Progress& progress = {});

  // Of queries as vectors are stored: under cosine of unit length.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k) const { return ann_.search(queries, k); }
  [[nodiscard]] ItemView item(std::int64_t row) const { return items_.at(static_cast<std::size_t>(row)); }
  // Copies of all.
  [[nodiscard]] std::vector<Item> items() const;
  // The row of an id, and the rows of a label, ascending (empty: no such label).
  [[nodiscard]] std::optional<std::size_t> find(std::string_view id) const { return items_.find(id); }
  [[nodiscard]] const std::vector<std::uint32_t>& rows_of(const std::string& label) const;
  [[nodiscard]] const Items::Labels& labels() const { return items_.labels(); }

  [[nodiscard]] const Ann& index() const { return ann_; }
  [[nodiscard]] std::size_t size() const { return ann_.size(); }
  [[nodiscard]] std::size_t dimension() const { return ann_.dimension(); }
  [[nodiscard]] Metric metric() const { return metric_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  // Throws Error{corrupt} when the reference has no such file.
  [[nodiscard]] const std::vector<std::uint8_t>& attachment(const std::string& name) const;
  // What another library made of this segment when it was opened, and keeps with it; null where nothing was.
  [[nodiscard]] const std::shared_ptr<const void>& companion() const { return companion_; }
  void set_companion(std::shared_ptr<const void> companion) { companion_ = std::move(companion); }
  // For who has made of them what is needed: their memory is given back.
  void drop_attachments() { attachments_.clear(); }
  [[nodiscard]] bool has_attachment(const std::string& name) const { return attachments_.contains(name); }

 private:
  Ann ann_;
  Metric metric_;
  Items items_;
  Manifest manifest_;
  Attachments attachments_;
  std::shared_ptr<const void> companion_;
};

// The manifest alone, checked against its own checksum: quick for any size. Throws what Segment::open() throws.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& directory);

// Compares every file with SHA256SUMS; the faults found, one sentence each, empty when sound. Throws Error{not_found}
// when there is no reference at all.
[[nodiscard]] std::vector<std::string> verify(const std::filesystem::path& directory);

}  // namespace driftd::index
