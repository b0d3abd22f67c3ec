// What is kept about a segment's images, by row.
//
// Texts lie one behind the other, and ids are looked up in a table of row numbers: 40 bytes a row beside its texts,
// where strings of their own and a map of them take 190. Labels, of which there are few, are kept once.
//
// Not thread-safe while rows are added; any number of threads may read. Views last until the next row is added, or the
// object is moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index/item.hpp"

namespace driftd::index {

class Items {
 public:
  using Labels = std::unordered_map<std::string, std::vector<std::uint32_t>>;  // to rows, ascending

  Items() = default;
  Items(Items&&) = default;
  Items& operator=(Items&&) = default;
  Items(const Items&) = delete;  // rows point to their labels
  Items& operator=(const Items&) = delete;
  ~Items() = default;

  void reserve(std::size_t rows);
  // Takes the next row. False, and nothing is added, where the id was used before.
  [[nodiscard]] bool add(const ItemView& item);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  // Throws std::out_of_range.
  [[nodiscard]] ItemView at(std::size_t row) const;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view id) const;
  [[nodiscard]] const Labels& labels() const { return labels_; }

 private:
  struct Row {
    std::uint64_t begin;  // in text_: the id, the uri, the metadata
    std::uint32_t id;     // bytes of each
    std::uint32_t uri;
    std::uint32_t metadata;
    std::uint32_t label;  // in names_
  };
  [[nodiscard]] std::string_view id_of(const Row& row) const {
    return std::string_view{text_}.substr(row.begin, row.id);
  }
  [[nodiscard]] std::size_t slot_of(std::string_view id) const;
  void make_slots(std::size_t count);

  std::string text_;
  std::vector<Row> rows_;
  // By hash of the id, a power of two, of which at most half are taken: the row and one, or 0.
  std::vector<std::uint32_t> slots_;
  Labels labels_;
  std::vector<Labels::value_type*> names_;
};

}  // namespace driftd::index
