// A reference's vectors and items: built once, written as a checksummed directory (FORMAT.md), searched from then on.
//
// Immutable once written or opened, so any number of threads may search it without locks. Knows distances, never drift: what other
// libraries keep with a reference (its calibration) travels as a named attachment, an opaque run of bytes under the same checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "index/ann.hpp"
#include "index/item.hpp"

namespace driftd::index {

struct Manifest {
  std::string name = "default";
  std::int64_t version = 1;
  std::string created;  // RFC 3339
  std::string model_name;
  std::string model_hash;
  std::string model_directory;  // where the bundle was when this was built: a hint, the hash decides
  std::string kind = "flat";
  std::size_t dimension = 0;
  std::size_t count = 0;
  std::size_t skipped = 0;

  [[nodiscard]] std::string id() const { return name + "@" + std::to_string(version); }
};

class Collection {
 public:
  using Attachments = std::map<std::string, std::vector<std::uint8_t>>;  // file name to content

  explicit Collection(std::size_t dimension) : ann_{dimension} {}

  // Before write() only. Throws Error{invalid_argument} on a wrong dimension, an id used before, or fewer items than rows.
  void add(std::vector<Item> items, MatrixView vectors);

  // manifest's kind, dimension and count are filled in. Throws Error: conflict when directory exists, internal when writing fails.
  void write(const std::filesystem::path& directory, Manifest manifest, const Attachments& attachments) const;

  // Verifies every byte, then loads. Costs two passes over the files (about 1 s per GB from a warm cache).
  // Throws Error: not_found (no reference there), corrupt (naming the file), invalid_argument (a newer format).
  [[nodiscard]] static Collection open(const std::filesystem::path& directory);

  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k) const { return ann_.search(queries, k); }
  [[nodiscard]] const Item& item(std::int64_t row) const { return items_.at(static_cast<std::size_t>(row)); }
  [[nodiscard]] std::span<const float> vector(std::size_t row) const { return ann_.vector(row); }
  [[nodiscard]] std::size_t size() const { return ann_.size(); }
  [[nodiscard]] std::size_t dimension() const { return ann_.dimension(); }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  // Throws Error{corrupt} when the reference has no such file.
  [[nodiscard]] const std::vector<std::uint8_t>& attachment(const std::string& name) const;

 private:
  Ann ann_;
  std::vector<Item> items_;
  Manifest manifest_;
  Attachments attachments_;
};

// The manifest alone, checked against its own checksum: quick for any size. Throws what Collection::open() throws.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& directory);

// Compares every file with SHA256SUMS; the faults found, one sentence each, empty when sound. Throws Error{not_found} when there is
// no reference at all.
[[nodiscard]] std::vector<std::string> verify(const std::filesystem::path& directory);

}  // namespace driftd::index
