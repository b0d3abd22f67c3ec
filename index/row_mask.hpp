// A set of rows, one bit per row: which rows of an index a search may find.
//
// A plain value: thread-safe to read, no synchronisation for set(). Memory: rows / 8 bytes. Bits past size() are zero.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace driftd::index {

class RowMask {
 public:
  explicit RowMask(std::size_t rows, bool value = false)
      : size_{rows}, words_((rows + kBits - 1) / kBits, value ? ~std::uint64_t{0} : 0) {
    if (value && rows % kBits != 0) words_.back() = (std::uint64_t{1} << rows % kBits) - 1;
  }

  [[nodiscard]] bool test(std::size_t row) const {
    assert(row < size_);
    return (words_[row / kBits] >> row % kBits & 1) != 0;
  }
  void set(std::size_t row, bool value = true) {
    assert(row < size_);
    const auto bit = std::uint64_t{1} << row % kBits;
    if (value) {
      words_[row / kBits] |= bit;
    } else {
      words_[row / kBits] &= ~bit;
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  // How many rows are in the set. Cost: one pass over words().
  [[nodiscard]] std::size_t count() const {
    std::size_t sum = 0;
    for (const auto word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  // Row r is bit r % 64 of word r / 64.
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }

 private:
  static constexpr std::size_t kBits = 64;

  std::size_t size_;
  std::vector<std::uint64_t> words_;
};

}  // namespace driftd::index
