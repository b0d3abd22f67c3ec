// The items that a version gained since its segment was built: in memory, in the order of writing, only ever appended
// to.
//
// One writer appends; readers hold views. A view covers the rows that were there when it was taken, and none of them
// ever changes: no lock between writer and readers, provided that views are handed over with the usual synchronisation.
// Memory doubles when it is full; views keep the old block alive. Cost: append O(dimension), amortised; view O(1).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "index/item.hpp"

namespace driftd::index {

class Tail {
  struct Block {
    Block(std::size_t capacity, std::size_t dimension)
        : vectors{capacity, dimension}, items(capacity), attached(capacity) {}
    Matrix vectors;
    std::vector<Item> items;
    std::vector<std::vector<float>> attached;
  };

 public:
  class View {
   public:
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] MatrixView vectors() const { return {size_, block_->vectors.cols, block_->vectors.data.data()}; }
    [[nodiscard]] const Item& item(std::size_t row) const { return block_->items[row]; }
    [[nodiscard]] std::span<const float> attached(std::size_t row) const { return block_->attached[row]; }

   private:
    friend class Tail;
    View(std::shared_ptr<const Block> block, std::size_t size) : block_{std::move(block)}, size_{size} {}
    std::shared_ptr<const Block> block_;
    std::size_t size_;
  };

  explicit Tail(std::size_t dimension) : block_{std::make_shared<Block>(kFirst, dimension)} {}

  void append(NewItem added) {
    if (size_ == block_->items.size()) grow();
    std::copy(added.vector.begin(), added.vector.end(), block_->vectors.row(size_).begin());
    block_->items[size_] = std::move(added.item);
    block_->attached[size_] = std::move(added.attached);
    ++size_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] View view() const { return {block_, size_}; }

 private:
  static constexpr std::size_t kFirst = 64;

  void grow() {
    auto next = std::make_shared<Block>(2 * size_, block_->vectors.cols);
    std::copy(block_->vectors.data.begin(), block_->vectors.data.end(), next->vectors.data.begin());
    std::copy(block_->items.begin(), block_->items.end(), next->items.begin());
    std::copy(block_->attached.begin(), block_->attached.end(), next->attached.begin());
    block_ = std::move(next);
  }

  std::shared_ptr<Block> block_;
  std::size_t size_ = 0;
};

}  // namespace driftd::index
