#include "index/sketch.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>

#include "core/crew.hpp"
#include "index/sketch_codes.hpp"
#include "index/sketch_plan.hpp"
#include "index/sketch_query.hpp"

namespace driftd::index {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kCentreRows = 4096;   // enough for a mean
constexpr std::size_t kPass = 64;           // queries that share one pass
constexpr std::size_t kMostKept = 1 << 14;  // rows for one query and thread
constexpr std::size_t kMostK = 1 << 10;
constexpr std::size_t kWorthIt = 1 << 20;  // values: below, a scan takes a fraction of a millisecond
constexpr std::size_t kWidest = 1 << 16;   // values a row: the sum of as many products fits

std::size_t whole_blocks(std::size_t rows) {
  return (rows + kSketchRows - 1) / kSketchRows * kSketchRows;
}

}  // namespace

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
  float limit = kInfinity;    // of `least`, for rows that are of interest
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
  void drop_far() {
    std::erase_if(rows, [&](const Row& r) { return r.least > limit; });
  }
};

Sketch::Sketch(MatrixView rows, const SketchKernel& kernel)
    : kernel_{kernel}, centre_(rows.cols), quads_{sketch_width(rows.cols) / 4} {
  const Cell all{rows, {}};
  set_centre({&all, 1});
  add(rows);
}

Sketch::Sketch(std::span<const Cell> cells, const SketchKernel& kernel)
    : kernel_{kernel}, centre_(cells.front().vectors.cols), quads_{sketch_width(centre_.size()) / 4} {
  set_centre(cells);
  for (const auto& cell : cells) {
    cells_.push_back(static_cast<std::uint32_t>(rows_.size() / kSketchRows));
    count_ += cell.rows.size();
    rows_.insert(rows_.end(), cell.rows.begin(), cell.rows.end());
    rows_.resize(whole_blocks(rows_.size()), -1);
  }
  cells_.push_back(static_cast<std::uint32_t>(rows_.size() / kSketchRows));
  make_room(rows_.size());
  cores().each(cells.size(), [&](std::size_t c) { code_rows(cells[c].vectors, cells_[c] * kSketchRows); });
  learn_error(0);
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
  make_room(whole_blocks(count_));
  constexpr std::size_t kRowsATime = SketchPlan::kBlocksATime * kSketchRows;
  cores().each((rows.rows + kRowsATime - 1) / kRowsATime, [&](std::size_t part) {
    const auto from = part * kRowsATime;
    const auto some = std::min(kRowsATime, rows.rows - from);
    code_rows({some, rows.cols, rows.row(from).data()}, first + from);
  });
  learn_error(first);
}

// Of the rows in the places from `first` on.
void Sketch::learn_error(std::size_t first) {
  for (const auto error : std::span{error_}.subspan(first)) {
    if (error == 0 || !std::isfinite(error)) continue;  // no row at all, or none like the others
    ++learned_;
    usual_error_ += (error - usual_error_) / static_cast<float>(learned_);
  }
}

// places: a multiple of kSketchRows.
void Sketch::make_room(std::size_t places) {
  codes_.resize(places * quads_ * 4, static_cast<std::uint8_t>(kSketchMiddle));
  for (auto* values : {&scale_, &norm_, &error_}) values->resize(places);
}

// Rows into the places from `place` on.
void Sketch::code_rows(MatrixView rows, std::size_t place) {
  std::vector<float> centred(quads_ * 4);
  std::vector<std::uint8_t> codes(quads_ * 4);
  for (std::size_t r = 0; r < rows.rows; ++r, ++place) {
    const auto row = rows.row(r);
    std::ranges::transform(row, centre_, centred.begin(), std::minus{});
    const auto coded = sketch_codes(centred, codes.data());
    scale_[place] = coded.scale;
    norm_[place] = coded.norm * (1 - kSketchRounding);
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

// What one thread compares, and what it has found.
class Sketch::Reader {
 public:
  // codes: two rows for each query.
  Reader(const Sketch& sketch, std::span<const CodedQuery> queries, std::span<const std::int32_t> codes, std::size_t k,
         const RowMask* allowed)
      : sketch_{sketch},
        queries_{queries},
        codes_{codes},
        allowed_{allowed},
        found_(queries.size(), Shortlist{k}),
        asked_(queries.size()),
        asked_codes_((2 * queries.size() + kSketchTile) * sketch.quads_) {}

  void read(const SketchTask& task) {
    gather(task.queries);
    for (auto block = task.begin; block < task.end; ++block) compare(block);
  }

  [[nodiscard]] Shortlist& found(std::size_t query) { return found_[query]; }

 private:
  // Queries that a kernel compares at once: `fine` of them, the first, have two rows of codes, which are in order.
  struct Group {
    std::size_t first;
    std::size_t count;
    std::size_t fine;
    const std::int32_t* codes;
  };

  void gather(std::span<const std::uint32_t> asking) {
    if (asking.data() == asking_.data() && asking.size() == asking_.size()) return;
    asking_ = asking;
    numbers_.assign(asking.begin(), asking.end());
    std::ranges::partition(numbers_, [&](auto q) { return queries_[q].fine; });
    groups_.clear();
    auto* codes = asked_codes_.data();
    for (std::size_t first = 0; first < numbers_.size(); first += groups_.back().count) {
      groups_.push_back(group(first, codes));
      const auto& [_, count, fine, begin] = groups_.back();
      for (std::size_t i = 0; i < count + fine; ++i, codes += sketch_.quads_) {
        const auto row = i < count ? 2 * numbers_[first + i] : 2 * numbers_[first + i - count] + 1;
        std::ranges::copy(codes_.subspan(row * sketch_.quads_, sketch_.quads_), codes);
      }
    }
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      asked_[i] = queries_[numbers_[i]].coded;
      asked_[i].limit = found_[numbers_[i]].limit;
    }
  }

  // As many as a kernel takes, from `first` on.
  [[nodiscard]] Group group(std::size_t first, const std::int32_t* codes) const {
    Group some{first, 0, 0, codes};
    for (; first + some.count < numbers_.size(); ++some.count) {
      const std::size_t fine = queries_[numbers_[first + some.count]].fine ? 1 : 0;
      if (some.count + some.fine + 1 + fine > sketch_.kernel_.queries) break;
      some.fine += fine;
    }
    return some;
  }

  void compare(std::size_t number) {
    const auto& kernel = sketch_.kernel_;
    const auto block = sketch_.block(number);
    alignas(kCacheLine) float squared[kSketchQueries * kSketchRows];
    std::uint16_t close[kSketchQueries];
    for (const auto& [first, count, fine, codes] : groups_) {
      auto some = kernel.compare(block, &asked_[first], count, fine, codes, sketch_.quads_, squared, close);
      for (; some != 0; some &= some - 1) {
        const auto q = static_cast<std::size_t>(std::countr_zero(some));
        offer(number, block, first + q, squared + q * kSketchRows, close[q]);
      }
    }
  }

  // Adds the rows of a block that may be among the nearest to what was found for the query that asks as number `q`.
  void offer(std::size_t number, const SketchBlock& block, std::size_t q, const float* squared, unsigned close) {
    const auto& query = queries_[numbers_[q]];
    auto& list = found_[numbers_[q]];
    for (; close != 0 && !list.crowded; close &= close - 1) {
      const auto r = static_cast<std::size_t>(std::countr_zero(close));
      const auto row = sketch_.row_at(number * kSketchRows + r);
      if (row < 0 || (allowed_ != nullptr && !allowed_->test(static_cast<std::size_t>(row)))) continue;
      const float estimate = std::max(0.F, squared[r]);
      const float above = std::sqrt(estimate + 3 * kSketchRounding * (block.norm[r] + query.coded.norm));
      list.offer({std::sqrt(estimate) - block.error[r], row}, above + block.error[r]);
      if (list.most.size() < list.k) continue;
      list.limit = asked_[q].limit = query.limit_of(list.most.front());
      if (list.rows.size() < kMostKept) continue;
      list.drop_far();
      list.crowded = list.rows.size() > kMostKept / 2;
    }
  }

  const Sketch& sketch_;
  const std::span<const CodedQuery> queries_;
  const std::span<const std::int32_t> codes_;
  const RowMask* allowed_;
  std::vector<Shortlist> found_;
  std::span<const std::uint32_t> asking_;
  std::vector<std::uint32_t> numbers_;  // of those that ask, the fine ones first
  std::vector<Group> groups_;
  std::vector<SketchQuery> asked_;
  std::vector<std::int32_t, HugePageAllocator<std::int32_t>> asked_codes_;  // and what kernels read behind them
};

std::optional<Neighbours> Sketch::candidates(MatrixView queries, std::size_t k, const RowMask* allowed,
                                             std::span<const std::int64_t> chosen) const {
  assert(k > 0 && queries.cols == centre_.size() && (allowed == nullptr || allowed->size() == count_));
  constexpr std::size_t kFew = 8;  // of so many rows at least one must be allowed: reading those alone is faster
  if (k > kMostK || k > count_ || (allowed != nullptr && allowed->count() < std::max(k, count_ / kFew)))
    return std::nullopt;
  std::vector<std::vector<Candidate>> all(queries.rows);
  const auto cells = queries.rows == 0 ? 0 : chosen.size() / queries.rows;
  for (std::size_t first = 0; first < queries.rows; first += kPass) {
    const auto now = std::min(kPass, queries.rows - first);
    if (!search({now, queries.cols, queries.row(first).data()}, k, allowed, chosen.subspan(first * cells, now * cells),
                std::span{all}.subspan(first, now)))
      return std::nullopt;
  }
  std::size_t width = k;
  for (const auto& rows : all) width = std::max(width, rows.size());
  Neighbours found{width, std::vector<float>(queries.rows * width, kInfinity),
                   std::vector<std::int64_t>(queries.rows * width, -1)};
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::ranges::nth_element(all[q], all[q].begin() + static_cast<std::ptrdiff_t>(std::min(k, all[q].size())));
    for (std::size_t i = 0; i < all[q].size(); ++i)
      std::tie(found.distances[q * width + i], found.rows[q * width + i]) = all[q][i];
  }
  return found;
}

// One pass. False where there are too many candidates.
bool Sketch::search(MatrixView queries, std::size_t k, const RowMask* allowed, std::span<const std::int64_t> chosen,
                    std::span<std::vector<Candidate>> out) const {
  std::vector<std::int32_t> codes(2 * queries.rows * quads_);
  std::vector<CodedQuery> coded;
  for (std::size_t q = 0; q < queries.rows; ++q)
    coded.push_back(
        code_query(queries.row(q), centre_, usual_error_, std::span{codes}.subspan(2 * q * quads_, 2 * quads_)));
  if (std::ranges::any_of(coded, [](const CodedQuery& query) { return !std::isfinite(query.error); })) return false;

  const auto blocks = scale_.size() / kSketchRows;
  const auto plan = chosen.empty() ? SketchPlan{queries.rows, blocks} : SketchPlan{queries.rows, chosen, cells_};
  const auto tasks = plan.tasks();
  std::vector<std::optional<Reader>> readers(cores().helpers() + 1);
  std::atomic<std::size_t> next{0};
  cores().each(readers.size(), [&](std::size_t member) {
    const Turn turn{kernel_, quads_};
    auto& reader = readers[member].emplace(*this, coded, codes, k, allowed);
    for (auto t = next++; t < tasks.size(); t = next++) reader.read(tasks[t]);
  });
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::vector<float> most;
    for (auto& reader : readers) most.insert(most.end(), reader->found(q).most.begin(), reader->found(q).most.end());
    auto limit = kInfinity;  // where cells hold fewer than k
    if (most.size() >= k) {
      std::ranges::nth_element(most, most.begin() + static_cast<std::ptrdiff_t>(k - 1));
      limit = coded[q].limit_of(most[k - 1]);
    }
    for (auto& reader : readers) {
      if (reader->found(q).crowded) return false;
      for (const auto& row : reader->found(q).rows)
        if (row.least <= limit) out[q].emplace_back(coded[q].no_nearer(row.least), row.row);
    }
  }
  return true;
}

}  // namespace driftd::index
