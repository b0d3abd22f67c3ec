#include "api/index_tuning.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "api/reference.hpp"
#include "core/error.hpp"
#include "drift/scorer.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kSample = 1000;
constexpr std::size_t kRecallAt = 3;
constexpr std::size_t kLeastShare = 8;  // one cell in so many is always read
constexpr float kTie = 1 + 1e-5F;       // a vector this little farther than another is as good an answer

// Some rows of the reference as queries, and what to compare answers with.
class Sample {
 public:
  explicit Sample(const index::Ann& exact) : exact_{exact} {
    std::vector<std::int64_t> all(exact.size());
    std::iota(all.begin(), all.end(), 0);
    std::ranges::sample(all, std::back_inserter(rows_), kSample, std::mt19937_64{1});
    queries_ = Matrix{rows_.size(), exact.dimension()};
    for (std::size_t q = 0; q < rows_.size(); ++q)
      std::ranges::copy(exact.vector(static_cast<std::size_t>(rows_[q])), queries_.row(q).begin());
  }

  [[nodiscard]] std::size_t size() const { return rows_.size(); }

  // kNeighbours per query by `index`, the row itself left out.
  [[nodiscard]] index::Neighbours search(const index::Ann& index) const {
    auto found = index.search(queries_, drift::kNeighbours + 1);
    index::Neighbours others{drift::kNeighbours, {}, {}};
    for (std::size_t q = 0; q < rows_.size(); ++q) {
      std::size_t taken = 0;
      for (std::size_t j = q * found.k; taken < others.k; ++j) {
        if (found.rows[j] == rows_[q]) continue;
        others.distances.push_back(found.distances[j]);
        others.rows.push_back(found.rows[j]);
        ++taken;
      }
    }
    return others;
  }

  // Share of the places among the first kRecallAt that hold a vector as near as the true one of the last of these
  // places.
  [[nodiscard]] double recall(const index::Neighbours& found, const index::Neighbours& truth) const {
    std::size_t hits = 0;
    std::size_t places = 0;
    for (std::size_t q = 0; q < rows_.size(); ++q) {
      const auto first = q * truth.k;
      const auto last = first + kRecallAt - 1;
      if (truth.rows[last] < 0) continue;
      const float limit = distance(q, truth.rows[last]) * kTie;
      places += kRecallAt;
      for (auto j = first; j <= last; ++j) hits += found.rows[j] >= 0 && distance(q, found.rows[j]) <= limit ? 1 : 0;
    }
    return places == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(places);
  }

  // Mean absolute difference of the blend scores; infinite where nothing was found.
  [[nodiscard]] double score_error(const index::Neighbours& found, const index::Neighbours& truth,
                                   const drift::Calibration& calibration) const {
    const auto score_of = [&](const index::Neighbours& near, std::size_t q) {
      return drift::score(drift::Rule::blend,
                          drift::near_of(std::span{near.distances}.subspan(q * near.k, near.k),
                                         std::span{near.rows}.subspan(q * near.k, near.k), calibration),
                          calibration);
    };
    double sum = 0;
    for (std::size_t q = 0; q < rows_.size(); ++q) {
      if (found.rows[q * found.k] < 0) return std::numeric_limits<double>::infinity();
      sum += std::abs(score_of(found, q) - score_of(truth, q));
    }
    return sum / static_cast<double>(rows_.size());
  }

 private:
  // Between the vectors as they were, whatever an index made of them.
  [[nodiscard]] float distance(std::size_t q, std::int64_t row) const {
    const auto query = queries_.row(q);
    const auto other = exact_.vector(static_cast<std::size_t>(row));
    const double squares =
        std::transform_reduce(query.begin(), query.end(), other.begin(), 0.0, std::plus<>{}, [](float a, float b) {
          const double difference = double{a} - double{b};
          return difference * difference;
        });
    return static_cast<float>(std::sqrt(squares));
  }

  const index::Ann& exact_;
  std::vector<std::int64_t> rows_;
  Matrix queries_;
};

// The median over a few single queries, of the time on this machine as it is now.
double query_ms(const index::Ann& index) {
  constexpr std::size_t kTimes = 21;
  std::vector<double> times;
  for (std::size_t i = 0; i < kTimes; ++i) {
    const auto query = index.vector(i * index.size() / kTimes);
    const auto start = std::chrono::steady_clock::now();
    (void)index.search({1, query.size(), query.data()}, drift::kNeighbours);
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::nth_element(times, times.begin() + kTimes / 2);
  return times[kTimes / 2];
}

index::Kind kind_for(const index::Segment& items, const std::string& kind, const TuningOptions& options) {
  if (kind != "auto") return index::kind_of(kind);
  if (options.max_query_ms == 0) return index::automatic_kind(items.size(), items.dimension());
  return items.size() == 0 || query_ms(items.index()) <= options.max_query_ms ? index::Kind::flat : index::Kind::ivf;
}

// Whether "auto" had better keep exact search than cells that are tuned.
bool exact_is_better(const index::Ann& cells, const index::Ann& exact, const TuningOptions& options) {
  if (options.max_query_ms > 0) return query_ms(exact) <= query_ms(cells);
  return 2 * cells.nprobe() > cells.nlist();
}

void check(const TuningOptions& options) {
  if (!(options.max_query_ms >= 0))
    throw Error{Errc::invalid_argument, "the longest time of a query must be a number of at least 0 milliseconds"};
  if (!(options.min_recall > 0 && options.min_recall <= 1))
    throw Error{Errc::invalid_argument, "the least recall must be above 0 and at most 1"};
  if (!(options.max_score_error >= 0))
    throw Error{Errc::invalid_argument, "the largest score error must be a number of at least 0"};
}

// Reads a quarter more cells, at least one; false when all are read already.
bool widen(index::Segment& items) {
  const auto& ann = items.index();
  if (ann.nprobe() >= ann.nlist()) return false;
  items.set_nprobe(std::min(ann.nlist(), ann.nprobe() + std::max<std::size_t>(1, ann.nprobe() / 4)));
  return true;
}

// The calibration at the smallest nprobe that keeps to the limits.
drift::Calibration choose_nprobe(index::Segment& items, const Sample& sample, const TuningOptions& options) {
  const auto all_cells = sample.search(items.index());
  items.set_nprobe((items.index().nlist() + kLeastShare - 1) / kLeastShare);
  auto found = sample.search(items.index());
  const auto search_wider = [&] {
    const bool wider = widen(items);
    if (wider) found = sample.search(items.index());
    return wider;
  };
  while (sample.recall(found, all_cells) < options.min_recall && search_wider()) {
  }
  for (;;) {
    auto calibration = calibrate(items, options.pools, options.progress, options.plan);
    bool changed = false;
    while (sample.score_error(found, all_cells, calibration) > options.max_score_error && search_wider())
      changed = true;
    if (!changed) return calibration;
  }
}

double asked_query_ms(const index::Segment& items, const TuningOptions& options) {
  return options.max_query_ms > 0 ? query_ms(items.index()) : 0;
}

Tuned calibrated(index::Segment& items, const TuningOptions& options) {
  items.place(options.device);
  auto calibration = calibrate(items, options.pools, options.progress, options.plan);
  return {std::move(calibration), {}, asked_query_ms(items, options)};
}

}  // namespace

Tuned tune_index(index::Segment& items, const std::string& kind, const TuningOptions& options) {
  check(options);
  const bool automatic = kind == "auto";
  const auto wanted = kind_for(items, kind, options);
  if (wanted == index::Kind::flat) return calibrated(items, options);

  auto exact = items.replace_index(items.index().converted(wanted));
  const Sample sample{exact};
  // Cells are tuned on the CPU: each step asks for another share of them.
  if (!index::has_cells(wanted)) items.place(options.device);
  auto calibration = index::has_cells(wanted) ? choose_nprobe(items, sample, options)
                                              : calibrate(items, options.pools, options.progress, options.plan);
  const auto& ann = items.index();
  if (automatic && exact_is_better(ann, exact, options)) {
    (void)items.replace_index(std::move(exact));
    return calibrated(items, options);
  }
  const auto found = sample.search(ann);
  const auto truth = sample.search(exact);
  const index::SearchFigures figures{ann.nlist(), ann.nprobe(), sample.recall(found, truth),
                                     sample.score_error(found, truth, calibration), sample.size()};
  return {std::move(calibration), figures, asked_query_ms(items, options)};
}

}  // namespace driftd::api
