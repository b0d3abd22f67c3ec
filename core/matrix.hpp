// A dense, row-major matrix of float32: a batch of embeddings, distances or preprocessed images, one per row.
//
// Matrix owns its memory, MatrixView borrows it. Thread rule: a plain value, no synchronisation.
// Invariant: data.size() == rows * cols.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace driftd {

struct MatrixView {
  std::size_t rows = 0;
  std::size_t cols = 0;
  const float* data = nullptr;

  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    assert(i < rows);
    return {data + i * cols, cols};
  }
};

struct Matrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<float> data;

  Matrix() = default;
  Matrix(std::size_t r, std::size_t c) : rows{r}, cols{c}, data(r * c) {}
  Matrix(std::size_t r, std::size_t c, std::vector<float> values) : rows{r}, cols{c}, data{std::move(values)} {
    assert(data.size() == r * c);
  }

  [[nodiscard]] std::span<float> row(std::size_t i) {
    assert(i < rows);
    return {data.data() + i * cols, cols};
  }
  [[nodiscard]] std::span<const float> row(std::size_t i) const { return view().row(i); }
  [[nodiscard]] MatrixView view() const { return {rows, cols, data.data()}; }
  operator MatrixView() const { return view(); }  // NOLINT(google-explicit-constructor): a view is what callers want
};

}  // namespace driftd
