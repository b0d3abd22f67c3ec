#include "index/sketch.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

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

// While it lives, the calling thread may compare with a kernel.
class Sketch::Turn {
 public:
  Turn(const SketchKernel& kernel, std::size_t quads) : kernel_{kernel} {
    if (kernel_.begin != nullptr) kernel_.begin(quads);
  }
  ~Turn() {
    if (kernel_.end != nullptr) kernel_.end();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  const SketchKernel& kernel_;
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
  const Cell all{rows, {}};
  set_centre({&all, 1});
  add(rows);
}

Sketch::Sketch(std::span<const Cell> cells, const SketchKernel& kernel)
    : kernel_{kernel}, centre_(cells.front().vectors.cols), quads_{padded(centre_.size()) / 4} {
  set_centre(cells);
  for (const auto& cell : cells) {
    cells_.push_back(static_cast<std::uint32_t>(rows_.size() / kSketchRows));
    count_ += cell.rows.size();
    rows_.insert(rows_.end(), cell.rows.begin(), cell.rows.end());
    rows_.resize(padded(rows_.size()), -1);
  }
  cells_.push_back(static_cast<std::uint32_t>(rows_.size() / kSketchRows));
  make_room(rows_.size());
  cores().each(cells.size(), [&](std::size_t c) { code_rows(cells[c].vectors, cells_[c] * kSketchRows); });
}

void Sketch::set_centre(std::span<const Cell> cells) {
  std::size_t all = 0;
  for (const auto& cell : cells) all += cell.vectors.rows;
  const auto step = std::max<std::size_t>(1, all / kCentreRows);
  std::vector<double> total(centre_.size());
  std::size_t seen = 0;
  std::size_t count = 0;
  for (const auto& cell : cells) {
    for (std::size_t i = 0; i < cell.vectors.rows; ++i, ++seen) {
      if (seen % step != 0) continue;
      ++count;
      for (std::size_t j = 0; j < total.size(); ++j) total[j] += cell.vectors.row(i)[j];
    }
  }
  for (std::size_t j = 0; j < total.size() && count > 0; ++j) {
    const auto mean = static_cast<float>(total[j] / static_cast<double>(count));
    centre_[j] = std::isfinite(mean) ? mean : 0;
  }
}

bool Sketch::pays(std::size_t rows, std::size_t dimension) {
  return sketch_kernels().front().fast && rows * dimension >= kWorthIt && dimension <= kWidest;
}

void Sketch::add(MatrixView rows) {
  assert(cells_.empty() && (rows.cols == centre_.size() || rows.rows == 0));
  const auto first = count_;
  count_ += rows.rows;
  make_room(padded(count_));
  constexpr std::size_t kRowsATime = kBlocksATime * kSketchRows;
  cores().each((rows.rows + kRowsATime - 1) / kRowsATime, [&](std::size_t part) {
    const auto from = part * kRowsATime;
    const auto some = std::min(kRowsATime, rows.rows - from);
    code_rows({some, rows.cols, rows.row(from).data()}, first + from);
  });
}

// places: a multiple of kSketchRows.
void Sketch::make_room(std::size_t places) {
  codes_.resize(places * quads_ * 4, static_cast<std::uint8_t>(kMiddle));
  for (auto* values : {&scale_, &norm_, &error_}) values->resize(places);
}

// Rows into the places from `place` on.
void Sketch::code_rows(MatrixView rows, std::size_t place) {
  std::vector<float> centred(quads_ * 4);
  std::vector<std::uint8_t> codes(quads_ * 4);
  for (std::size_t r = 0; r < rows.rows; ++r, ++place) {
    const auto row = rows.row(r);
    std::ranges::transform(row, centre_, centred.begin(), std::minus{});
    const auto coded = code(centred, codes.data());
    scale_[place] = coded.scale;
    norm_[place] = coded.norm * (1 - kRounding);
    error_[place] = coded.error;
    auto* out = codes_.data() + (place / kSketchRows * quads_ * kSketchRows + place % kSketchRows) * 4;
    for (std::size_t quad = 0; quad < quads_; ++quad)
      std::memcpy(out + quad * kSketchRows * 4, codes.data() + quad * 4, 4);
  }
}

// -1 where there is none.
std::int64_t Sketch::row_at(std::size_t place) const {
  if (!cells_.empty()) return rows_[place];
  return place < count_ ? static_cast<std::int64_t>(place) : -1;
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
  query.bias = static_cast<std::int32_t>(kMiddle) * total;
  query.scale = coded.scale;
  query.norm = coded.norm * (1 - kRounding);
  query.error = coded.error;
  query.rounding = rounding_of_scan(centre_.size());
  query.limit = kInfinity;
  return query;
}

// Adds the rows of a block that may be among the nearest to what was found for the queries that ask for it.
// codes: theirs, one after the other.
void Sketch::compare(std::size_t number, std::span<const std::uint32_t> asking, const std::int32_t* codes,
                     std::span<Query> queries, std::span<Shortlist> found, const RowMask* allowed) const {
  const auto rows = block(number);
  float squared[kSketchQueries * kSketchRows];
  std::uint16_t close[kSketchQueries];
  SketchQuery some[kSketchQueries];
  for (std::size_t first = 0; first < asking.size(); first += kernel_.queries) {
    const auto count = std::min(kernel_.queries, asking.size() - first);
    for (std::size_t q = 0; q < count; ++q) some[q] = queries[asking[first + q]];
    kernel_.compare(rows, some, codes + first * quads_, count, quads_, squared, close);
    for (std::size_t q = 0; q < count; ++q) {
      for (unsigned left = close[q]; left != 0; left &= left - 1) {
        const auto r = static_cast<std::size_t>(std::countr_zero(left));
        const auto row = row_at(number * kSketchRows + r);
        if (row < 0 || (allowed != nullptr && !allowed->test(static_cast<std::size_t>(row)))) continue;
        auto& query = queries[asking[first + q]];
        auto& list = found[asking[first + q]];
        if (list.crowded) continue;
        const float estimate = std::max(0.F, squared[q * kSketchRows + r]);
        const float above = std::sqrt(estimate + 3 * kRounding * (rows.norm[r] + query.norm));
        list.offer({std::sqrt(estimate) - rows.error[r], row}, above + rows.error[r]);
        if (list.most.size() < list.k) continue;
        query.limit = query.limit_of(list.most.front());
        if (list.rows.size() < kMostKept) continue;
        list.drop_above(query.limit);
        list.crowded = list.rows.size() > kMostKept / 2;
      }
    }
  }
}

std::optional<Neighbours> Sketch::candidates(MatrixView queries, std::size_t k, const RowMask* allowed,
                                             std::span<const std::int64_t> chosen) const {
  assert(k > 0 && queries.cols == centre_.size() && (allowed == nullptr || allowed->size() == count_));
  constexpr std::size_t kFew = 8;  // of so many rows at least one must be allowed: reading those alone is faster
  if (k > kMostK || k > count_ || (allowed != nullptr && allowed->count() < std::max(k, count_ / kFew)))
    return std::nullopt;
  std::vector<std::vector<std::int64_t>> all(queries.rows);
  const auto cells = queries.rows == 0 ? 0 : chosen.size() / queries.rows;
  for (std::size_t first = 0; first < queries.rows; first += kPass) {
    const auto now = std::min(kPass, queries.rows - first);
    if (!search({now, queries.cols, queries.row(first).data()}, k, allowed, chosen.subspan(first * cells, now * cells),
                std::span{all}.subspan(first, now)))
      return std::nullopt;
  }
  std::size_t width = k;
  for (const auto& rows : all) width = std::max(width, rows.size());
  Neighbours found{width, {}, std::vector<std::int64_t>(queries.rows * width, -1)};
  for (std::size_t q = 0; q < queries.rows; ++q)
    std::ranges::copy(all[q], found.rows.begin() + static_cast<std::ptrdiff_t>(q * width));
  return found;
}

// Blocks to compare with the same queries.
struct Sketch::Task {
  std::size_t begin;
  std::size_t end;
  std::span<const std::uint32_t> queries;
};

// What one pass compares, the promising first.
class Sketch::Plan {
 public:
  // All blocks with all queries.
  Plan(std::size_t queries, std::size_t blocks) : queries_(queries) {
    std::iota(queries_.begin(), queries_.end(), 0U);
    add({0, blocks, queries_});
  }
  // The cells that each query has chosen; `blocks` holds where each begins, and the end.
  Plan(std::size_t queries, std::span<const std::int64_t> chosen, std::span<const std::uint32_t> blocks)
      : queries_(chosen.size()) {
    std::vector<std::size_t> begin(blocks.size());
    for (const auto cell : chosen) ++begin[static_cast<std::size_t>(cell) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    auto next = begin;
    std::vector<std::size_t> order;
    for (std::size_t rank = 0; rank < chosen.size() / queries; ++rank) {
      for (std::size_t q = 0; q < queries; ++q) {
        const auto cell = static_cast<std::size_t>(chosen[q * (chosen.size() / queries) + rank]);
        if (next[cell] == begin[cell]) order.push_back(cell);
        queries_[next[cell]++] = static_cast<std::uint32_t>(q);
      }
    }
    for (const auto cell : order)
      add({blocks[cell], blocks[cell + 1], std::span{queries_}.subspan(begin[cell], next[cell] - begin[cell])});
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  [[nodiscard]] std::span<const Task> tasks() const { return tasks_; }

 private:
  void add(Task task) {
    for (; task.begin < task.end; task.begin += kBlocksATime)
      tasks_.push_back({task.begin, std::min(task.end, task.begin + kBlocksATime), task.queries});
  }

  std::vector<std::uint32_t> queries_;
  std::vector<Task> tasks_;
};

// One pass. False where there are too many candidates.
bool Sketch::search(MatrixView queries, std::size_t k, const RowMask* allowed, std::span<const std::int64_t> chosen,
                    std::span<std::vector<std::int64_t>> out) const {
  std::vector<std::int32_t> quads(queries.rows * quads_);
  std::vector<Query> coded;
  for (std::size_t q = 0; q < queries.rows; ++q)
    coded.push_back(query(queries.row(q), std::span{quads}.subspan(q * quads_, quads_)));
  if (std::ranges::any_of(coded, [](const Query& query) { return !std::isfinite(query.error); })) return false;

  const auto blocks = scale_.size() / kSketchRows;
  const auto plan = chosen.empty() ? Plan{queries.rows, blocks} : Plan{queries.rows, chosen, cells_};
  const auto tasks = plan.tasks();
  const auto team = cores().helpers() + 1;
  std::vector<std::vector<Query>> copies(team, coded);
  std::vector<std::vector<Shortlist>> parts(team, std::vector<Shortlist>(queries.rows, Shortlist{k}));
  std::atomic<std::size_t> next{0};
  cores().each(team, [&](std::size_t member) {
    const Turn turn{kernel_, quads_};
    std::vector<std::int32_t> together((queries.rows + kSketchQueries) * quads_);  // kernels read a few queries more
    for (auto t = next++; t < tasks.size(); t = next++) {
      const auto asking = tasks[t].queries;
      for (std::size_t i = 0; i < asking.size(); ++i)
        std::copy_n(&quads[asking[i] * quads_], quads_, &together[i * quads_]);
      for (auto b = tasks[t].begin; b < tasks[t].end; ++b)
        compare(b, asking, together.data(), copies[member], parts[member], allowed);
    }
  });
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::vector<float> most;
    for (const auto& part : parts) most.insert(most.end(), part[q].most.begin(), part[q].most.end());
    auto limit = kInfinity;  // where cells hold fewer than k
    if (most.size() >= k) {
      std::ranges::nth_element(most, most.begin() + static_cast<std::ptrdiff_t>(k - 1));
      limit = coded[q].limit_of(most[k - 1]);
    }
    for (auto& part : parts) {
      if (part[q].crowded) return false;
      for (const auto& row : part[q].rows)
        if (row.least <= limit) out[q].push_back(row.row);
    }
  }
  return true;
}

}  // namespace driftd::index
