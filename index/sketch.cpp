#include "index/sketch.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "core/crew.hpp"

namespace driftd::index {
namespace {

using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Bytes = std::uint8_t __attribute__((vector_size(16)));

constexpr std::size_t kLanes = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMiddle = 128;      // the code of zero
constexpr float kRounding = 1e-6F;  // of a squared distance from two norms and a product, as a share of the norms
constexpr std::size_t kCentreRows = 4096;   // enough for a mean
constexpr std::size_t kPass = 64;           // queries that share one pass
constexpr std::size_t kBlocksATime = 64;    // that a thread takes
constexpr std::size_t kMostKept = 1 << 14;  // rows for one query and thread
constexpr std::size_t kMostK = 1 << 10;
constexpr std::size_t kWorthIt = 1 << 20;  // values: below, a scan takes a fraction of a millisecond
constexpr std::size_t kWidest = 1 << 16;   // values a row: the sum of as many products fits

std::size_t padded(std::size_t dimension) {
  return (dimension + kLanes - 1) / kLanes * kLanes;
}

template <class Values>
float sum(const Values& values) {
  float total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += values[i];
  return total;
}

// What the codes of a vector stand for: scale * (code - kMiddle), of squared length norm, within error of the vector.
struct Coded {
  float scale = 0;
  float norm = 0;
  float error = kInfinity;
};

// values: padded with zeros, as many codes. Where a float cannot say how far the codes are off, the error is infinite.
[[gnu::always_inline]] inline Coded code_loop(std::span<const float> values, std::uint8_t* codes) {
  Floats most{};
  for (std::size_t j = 0; j < values.size(); j += kLanes) {
    Floats v;
    std::memcpy(&v, values.data() + j, sizeof(v));
    v = v < 0 ? -v : v;
    most = v > most ? v : most;
  }
  float largest = 0;
  for (std::size_t i = 0; i < kLanes; ++i) largest = std::max(largest, most[i]);
  constexpr float kSmallest = 1e-30F;  // its inverse is still a number
  const float scale = largest > kSmallest ? largest / 127 : 0;
  const float inverse = largest > kSmallest ? 127 / largest : 0;
  Floats squares{};
  Floats wrong{};
  Floats length{};
  for (std::size_t j = 0; j < values.size(); j += kLanes) {
    Floats v;
    std::memcpy(&v, values.data() + j, sizeof(v));
    const auto whole = __builtin_convertvector(v * inverse + (kMiddle + 0.5F), Ints);
    const Floats value = __builtin_convertvector(whole, Floats) - kMiddle;
    const Floats difference = v - scale * value;
    squares += value * value;
    wrong += difference * difference;
    length += v * v;
    const auto bytes = __builtin_convertvector(whole, Bytes);
    std::memcpy(codes + j, &bytes, sizeof(bytes));
  }
  const float norm = scale * scale * sum(squares);
  const float error = std::sqrt(sum(wrong)) * (1 + 1e-5F) + 2e-7F * std::sqrt(sum(length));
  if (std::isfinite(norm) && std::isfinite(error)) return {scale, norm, error};
  std::fill_n(codes, values.size(), static_cast<std::uint8_t>(kMiddle));
  return {};
}

Coded code_plain(std::span<const float> values, std::uint8_t* codes) {
  return code_loop(values, codes);
}
// For processors with AVX2: the same operations, and so the same bits.
#if defined(__x86_64__)
[[gnu::target("avx2")]] Coded code_avx2(std::span<const float> values, std::uint8_t* codes) {
  return code_loop(values, codes);
}
const auto code = __builtin_cpu_supports("avx2") ? code_avx2 : code_plain;
#else
constexpr auto code = code_plain;
#endif

// Squared L2 distances of 512 values are off by 1e-6 or so, whichever way they are summed.
float rounding_of_scan(std::size_t dimension) {
  return 1e-7F * (16 + static_cast<float>(dimension) / 16);
}

}  // namespace

struct Sketch::Query : SketchQuery {
  float error = kInfinity;
  float rounding = 0;  // of the scan that compares what is left

  // A row whose `least` is above it is certainly farther than one whose upper bound is `upper`.
  [[nodiscard]] float limit_of(float upper) const { return (upper + error) * (1 + rounding) + error; }
};

// What one thread has found for one query.
struct Sketch::Shortlist {
  struct Row {
    float least;  // its distance, but for the query's error, is no smaller
    std::int64_t row;
  };
  std::size_t k;
  std::vector<Row> rows{};
  std::vector<float> most{};  // the k smallest upper bounds, a heap: the k nearest rows are not farther
  bool crowded = false;       // too many rows to be of use

  void offer(Row row, float upper) {
    if (most.size() < k) {
      most.push_back(upper);
      std::push_heap(most.begin(), most.end());
    } else if (upper < most.front()) {
      std::pop_heap(most.begin(), most.end());
      most.back() = upper;
      std::push_heap(most.begin(), most.end());
    }
    rows.push_back(row);
  }
  void drop_above(float limit) {
    std::erase_if(rows, [&](const Row& r) { return r.least > limit; });
  }
};

Sketch::Sketch(MatrixView rows, const SketchKernel& kernel)
    : kernel_{kernel}, centre_(rows.cols), quads_{padded(rows.cols) / 4} {
  const auto step = std::max<std::size_t>(1, rows.rows / kCentreRows);
  std::vector<double> total(rows.cols);
  std::size_t count = 0;
  for (std::size_t i = 0; i < rows.rows; i += step, ++count)
    for (std::size_t j = 0; j < rows.cols; ++j) total[j] += rows.row(i)[j];
  for (std::size_t j = 0; j < rows.cols && count > 0; ++j) {
    const auto mean = static_cast<float>(total[j] / static_cast<double>(count));
    centre_[j] = std::isfinite(mean) ? mean : 0;
  }
  add(rows);
}

bool Sketch::pays(std::size_t rows, std::size_t dimension) {
  return sketch_kernels().front().fast && rows * dimension >= kWorthIt && dimension <= kWidest;
}

void Sketch::add(MatrixView rows) {
  assert(rows.cols == centre_.size() || rows.rows == 0);
  const auto first = count_;
  count_ += rows.rows;
  const auto blocks = (count_ + kSketchRows - 1) / kSketchRows;
  codes_.resize(blocks * kSketchRows * quads_ * 4, static_cast<std::uint8_t>(kMiddle));
  for (auto* values : {&scale_, &norm_, &error_}) values->resize(blocks * kSketchRows);
  const auto begin = first / kSketchRows;
  cores().each((blocks - begin + kBlocksATime - 1) / kBlocksATime, [&](std::size_t part) {
    std::vector<float> centred(quads_ * 4);
    std::vector<std::uint8_t> codes(quads_ * 4);
    const auto from = std::max(first, (begin + part * kBlocksATime) * kSketchRows);
    const auto to = std::min(count_, (begin + (part + 1) * kBlocksATime) * kSketchRows);
    for (auto i = from; i < to; ++i) {
      const auto row = rows.row(i - first);
      std::ranges::transform(row, centre_, centred.begin(), std::minus{});
      const auto coded = code(centred, codes.data());
      scale_[i] = coded.scale;
      norm_[i] = coded.norm * (1 - kRounding);
      error_[i] = coded.error;
      auto* out = codes_.data() + (i / kSketchRows * quads_ * kSketchRows + i % kSketchRows) * 4;
      for (std::size_t quad = 0; quad < quads_; ++quad)
        std::memcpy(out + quad * kSketchRows * 4, codes.data() + quad * 4, 4);
    }
  });
}

SketchBlock Sketch::block(std::size_t number) const {
  const auto row = number * kSketchRows;
  return {codes_.data() + row * quads_ * 4, scale_.data() + row, norm_.data() + row, error_.data() + row};
}

Sketch::Query Sketch::query(std::span<const float> values, std::span<std::int32_t> quads) const {
  std::vector<float> centred(quads_ * 4);
  std::vector<std::uint8_t> codes(quads_ * 4);
  for (std::size_t j = 0; j < values.size(); ++j) centred[j] = values[j] - centre_[j];
  const auto coded = code(centred, codes.data());
  std::int32_t total = 0;
  for (std::size_t j = 0; j < codes.size(); ++j) {
    const auto value = static_cast<std::int8_t>(codes[j] - static_cast<int>(kMiddle));
    total += value;
    std::memcpy(reinterpret_cast<char*>(quads.data()) + j, &value, 1);
  }
  Query query;
  query.quads = quads.data();
  query.bias = static_cast<std::int32_t>(kMiddle) * total;
  query.scale = coded.scale;
  query.norm = coded.norm * (1 - kRounding);
  query.error = coded.error;
  query.rounding = rounding_of_scan(centre_.size());
  query.limit = kInfinity;
  return query;
}

// Adds the rows of a block that may be among the nearest to what was found.
void Sketch::compare(std::size_t number, std::span<Query> queries, std::span<Shortlist> found,
                     const RowMask* allowed) const {
  const auto rows = block(number);
  float squared[kSketchQueries * kSketchRows];
  std::uint16_t close[kSketchQueries];
  SketchQuery some[kSketchQueries];
  for (std::size_t first = 0; first < queries.size(); first += kSketchQueries) {
    const auto count = std::min(kSketchQueries, queries.size() - first);
    std::copy_n(queries.begin() + static_cast<std::ptrdiff_t>(first), count, some);
    kernel_.compare(rows, some, count, quads_, squared, close);
    for (std::size_t q = 0; q < count; ++q) {
      for (unsigned left = close[q]; left != 0; left &= left - 1) {
        const auto r = static_cast<std::size_t>(std::countr_zero(left));
        const auto row = number * kSketchRows + r;
        if (row >= count_ || (allowed != nullptr && !allowed->test(row))) continue;
        auto& query = queries[first + q];
        auto& list = found[first + q];
        if (list.crowded) continue;
        const float estimate = std::max(0.F, squared[q * kSketchRows + r]);
        const float above = std::sqrt(estimate + 3 * kRounding * (rows.norm[r] + query.norm));
        list.offer({std::sqrt(estimate) - rows.error[r], static_cast<std::int64_t>(row)}, above + rows.error[r]);
        if (list.most.size() < list.k) continue;
        query.limit = query.limit_of(list.most.front());
        if (list.rows.size() < kMostKept) continue;
        list.drop_above(query.limit);
        list.crowded = list.rows.size() > kMostKept / 2;
      }
    }
  }
}

std::optional<Neighbours> Sketch::candidates(MatrixView queries, std::size_t k, const RowMask* allowed) const {
  assert(k > 0 && queries.cols == centre_.size() && (allowed == nullptr || allowed->size() == count_));
  constexpr std::size_t kFew = 8;  // of so many rows at least one must be allowed: reading those alone is faster
  if (k > kMostK || k > count_ || (allowed != nullptr && allowed->count() < std::max(k, count_ / kFew)))
    return std::nullopt;
  std::vector<std::vector<std::int64_t>> all(queries.rows);
  for (std::size_t first = 0; first < queries.rows; first += kPass) {
    const auto now = std::min(kPass, queries.rows - first);
    if (!search({now, queries.cols, queries.row(first).data()}, k, allowed, std::span{all}.subspan(first, now)))
      return std::nullopt;
  }
  std::size_t width = k;
  for (const auto& rows : all) width = std::max(width, rows.size());
  Neighbours found{width, {}, std::vector<std::int64_t>(queries.rows * width, -1)};
  for (std::size_t q = 0; q < queries.rows; ++q)
    std::ranges::copy(all[q], found.rows.begin() + static_cast<std::ptrdiff_t>(q * width));
  return found;
}

// One pass. False where there are too many candidates.
bool Sketch::search(MatrixView queries, std::size_t k, const RowMask* allowed,
                    std::span<std::vector<std::int64_t>> out) const {
  std::vector<std::int32_t> quads(queries.rows * quads_);
  std::vector<Query> coded;
  for (std::size_t q = 0; q < queries.rows; ++q)
    coded.push_back(query(queries.row(q), std::span{quads}.subspan(q * quads_, quads_)));
  if (std::ranges::any_of(coded, [](const Query& query) { return !std::isfinite(query.error); })) return false;

  const auto blocks = (count_ + kSketchRows - 1) / kSketchRows;
  const auto team = cores().helpers() + 1;
  std::vector<std::vector<Query>> copies(team, coded);
  std::vector<std::vector<Shortlist>> parts(team, std::vector<Shortlist>(queries.rows, Shortlist{k}));
  std::atomic<std::size_t> next{0};
  cores().each(team, [&](std::size_t member) {
    for (auto at = next++ * kBlocksATime; at < blocks; at = next++ * kBlocksATime) {
      for (auto b = at; b < std::min(blocks, at + kBlocksATime); ++b)
        compare(b, copies[member], parts[member], allowed);
    }
  });
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::vector<float> most;
    for (const auto& part : parts) most.insert(most.end(), part[q].most.begin(), part[q].most.end());
    assert(most.size() >= k);
    std::ranges::nth_element(most, most.begin() + static_cast<std::ptrdiff_t>(k - 1));
    const auto limit = coded[q].limit_of(most[k - 1]);
    for (auto& part : parts) {
      if (part[q].crowded) return false;
      for (const auto& row : part[q].rows)
        if (row.least <= limit) out[q].push_back(row.row);
    }
  }
  return true;
}

}  // namespace driftd::index
