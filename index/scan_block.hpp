// The body of every scan kernel: written once with the compiler's vector types, inlined into functions that are
// compiled for one instruction set each. Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "index/scan_kernel.hpp"

namespace driftd::index {

using Floats4 = float __attribute__((vector_size(16)));
using Floats8 = float __attribute__((vector_size(32)));
using Floats16 = float __attribute__((vector_size(64)));

// By reference: passing wide vectors by value has another ABI in every instruction set.
[[gnu::always_inline]] inline float total(const Floats4& v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
[[gnu::always_inline]] inline float total(const Floats8& v) {
  const Floats4 half = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
  return total(half);
}
[[gnu::always_inline]] inline float total(const Floats16& v) {
  const Floats8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                       __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return total(half);
}

// How the values of a row are stored, and how those from j on get into a register.
struct Plain {
  using Value = float;
  template <class Vector>
  [[gnu::always_inline]] void load(Vector& out, const float* at, std::size_t) const {
    std::memcpy(&out, at, sizeof(Vector));
  }
};
template <class Isa>
struct Halves {
  using Value = std::uint16_t;
  template <class Vector>
  [[gnu::always_inline]] void load(Vector& out, const std::uint16_t* at, std::size_t) const {
    Isa::widen(out, at);
  }
};
template <class Isa>
struct Bytes {
  using Value = std::uint8_t;
  Scale scale;
  template <class Vector>
  [[gnu::always_inline]] void load(Vector& out, const std::uint8_t* at, std::size_t j) const {
    Vector offset;
    Vector step;
    std::memcpy(&offset, scale.offset + j, sizeof(Vector));
    std::memcpy(&step, scale.step + j, sizeof(Vector));
    Isa::widen(out, at);
    out = offset + step * out;
  }
};

// For processors that do not widen: one value at a time.
template <class Vector, class Value>
[[gnu::always_inline]] inline void widen_each(Vector& out, const Value* at) {
  Vector all = {};
  for (std::size_t i = 0; i < sizeof(Vector) / sizeof(float); ++i) {
    if constexpr (std::is_same_v<Value, std::uint16_t>) {
      _Float16 half;
      std::memcpy(&half, at + i, sizeof(half));
      all[i] = static_cast<float>(half);
    } else {
      all[i] = static_cast<float>(at[i]);
    }
  }
  out = all;
}

// What becomes of the rows' values once they are in registers: nothing more, or they are written, `stride` floats from
// row to row.
struct Forget {
  [[gnu::always_inline]] static void put(const auto&, std::size_t, std::size_t) {}
  [[gnu::always_inline]] Forget from(std::size_t) const { return {}; }
};
struct Write {
  float* to;
  std::size_t stride;
  [[gnu::always_inline]] void put(const auto& values, std::size_t row, std::size_t j) const {
    std::memcpy(to + row * stride + j, &values, sizeof(values));
  }
  [[gnu::always_inline]] Write from(std::size_t row) const { return {to + row * stride, stride}; }
};

// One accumulator for each of kRows x kQueries pairs; queries are padded with zeros, rows end where they end.
// `ahead` are the rows to fetch meanwhile. Isa::keep(v) keeps v in a register: left alone, the compiler reads the query
// from memory once for every row.
template <class Isa, class Vector, int kRows, int kQueries, class Stored, class Decoded>
[[gnu::always_inline]] inline void block(const Stored& stored, const typename Stored::Value* const* rows,
                                         const typename Stored::Value* const* ahead, const float* queries,
                                         std::size_t stride, std::size_t dimension, float* out, std::size_t out_stride,
                                         const Decoded& decoded) {
  constexpr auto kLanes = sizeof(Vector) / sizeof(float);
  Vector sums[kRows][kQueries] = {};
  const auto add = [&](const Vector(&values)[kRows], std::size_t j) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      Vector query;
      std::memcpy(&query, queries + q * stride + j, sizeof(Vector));
      Isa::keep(query);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Vector difference = values[r] - query;
        sums[r][q] += difference * difference;
      }
    }
  };
  const auto whole = dimension / kLanes * kLanes;
  Vector values[kRows];
  for (std::size_t j = 0; j < whole; j += kLanes) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      if constexpr (kRows > 1)
        __builtin_prefetch(ahead[r] + j, 0, 2);  // one row at a time is what the processor foresees
      stored.load(values[r], rows[r] + j, j);
      decoded.put(values[r], r, j);
    }
    add(values, j);
  }
  if (whole < dimension) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      typename Stored::Value last[kLanes] = {};
      std::memcpy(last, rows[r] + whole, (dimension - whole) * sizeof(last[0]));
      stored.load(values[r], last, whole);
      decoded.put(values[r], r, whole);
    }
    add(values, whole);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) out[q * out_stride + r] = total(sums[r][q]);
  }
}

template <class Isa, class Vector, int kRows, int kQueries, class Stored, class Decoded = Forget>
[[gnu::always_inline]] inline void distances(const Stored& stored, std::span<const typename Stored::Value* const> rows,
                                             const float* queries, std::size_t stride, std::size_t dimension,
                                             float* out, const Decoded& decoded = {}) {
  constexpr std::size_t kAhead = 8;  // measured: 4 to 16 do about as well
  const auto count = rows.size();
  std::size_t r = 0;
  for (; r + kRows <= count; r += kRows) {
    const auto* ahead = rows.data() + (r + kAhead + kRows <= count ? r + kAhead : r);
    block<Isa, Vector, kRows, kQueries>(stored, rows.data() + r, ahead, queries, stride, dimension, out + r, count,
                                        decoded.from(r));
  }
  for (; r < count; ++r)
    block<Isa, Vector, 1, kQueries>(stored, rows.data() + r, rows.data() + r, queries, stride, dimension, out + r,
                                    count, decoded.from(r));
}

}  // namespace driftd::index
