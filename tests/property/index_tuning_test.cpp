// The chosen nprobe against brute force, on vectors that the choice did not see.
#include "api/index_tuning.hpp"

#include <algorithm>
#include <cmath>

#include "api/reference.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/clusters.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/references.hpp"

using namespace driftd;
using namespace driftd::api;
using index::Kind;

namespace {

constexpr std::size_t kRows = 6000;
constexpr std::size_t kFresh = 500;
constexpr std::size_t kDimension = 32;

index::Segment collection_of(MatrixView vectors) {
  index::Segment items{vectors.cols};
  std::vector<index::Item> names;
  for (std::size_t i = 0; i < vectors.rows; ++i) names.push_back({std::to_string(i), "", ""});
  items.add(std::move(names), vectors);
  return items;
}

double recall_at_3(const index::Neighbours& found, const index::Neighbours& exact, std::size_t queries) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    const auto truth = std::span{exact.rows}.subspan(q * exact.k, 3);
    for (const auto row : std::span{found.rows}.subspan(q * found.k, 3))
      hits += std::ranges::count(truth, row) > 0 ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(3 * queries);
}

}  // namespace

TEST_CASE(
    "with the chosen nprobe, fresh queries find their neighbours as often as promised, and score as by exact search") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(3, random(1, 1 << 30))));
  const auto clusters = GENERATE(as<std::size_t>{}, 1, 20);
  CAPTURE(seed, clusters);
  const auto vectors = test::clustered_unit_vectors(kRows + kFresh, kDimension, seed, clusters);
  const MatrixView fresh{kFresh, kDimension, vectors.row(kRows).data()};
  const auto exact = collection_of({kRows, kDimension, vectors.data.data()});
  auto items = collection_of({kRows, kDimension, vectors.data.data()});
  const auto [calibration, search, query_ms] = tune_index(items, "ivf", {});
  CAPTURE(search.nprobe, search.nlist, search.recall, search.score_error);
  CHECK(search.nlist == index::cells_for(kRows));
  CHECK(8 * search.nprobe >= search.nlist);
  CHECK(search.nprobe < search.nlist);
  CHECK(search.sample == 1000);
  CHECK(search.recall >= 0.99);
  CHECK(search.score_error <= 0.01);
  const auto found = items.search(fresh, drift::kNeighbours);
  const auto truth = exact.search(fresh, drift::kNeighbours);
  CHECK(recall_at_3(found, truth, kFresh) >= 0.98);  // the limit, and the error of 1,500 draws
  double error = 0;
  for (std::size_t q = 0; q < kFresh; ++q) {
    const auto score_of = [&](const index::Neighbours& near) {
      return drift::score(drift::Rule::blend,
                          drift::near_of(std::span{near.distances}.subspan(q * near.k, near.k),
                                         std::span{near.rows}.subspan(q * near.k, near.k), calibration),
                          calibration);
    };
    error += std::abs(score_of(found) - score_of(truth)) / kFresh;
  }
  CHECK(error <= 0.03);
}

TEST_CASE("whatever the kind, fresh vectors of the same source are flagged at about alpha") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  const auto kind = GENERATE(as<std::string>{}, "flat", "ivf", "sq8", "ivfsq8");
  CAPTURE(seed, kind);
  constexpr std::size_t kEach = 2000;
  const auto vectors = test::clustered_unit_vectors(2 * kEach, kDimension, seed);
  auto items = collection_of({kEach, kDimension, vectors.data.data()});
  auto tuned = tune_index(items, kind, {});
  const auto reference = test::reference_of(std::move(items), std::move(tuned.calibration));
  const auto scores = score(reference, {kEach, kDimension, vectors.row(kEach).data()}, {.alpha = 0.05});
  const auto flagged = std::ranges::count_if(scores, &Score::ood);
  CHECK(std::abs(static_cast<double>(flagged) / kEach - 0.05) <
        0.03);  // over four standard errors, of reference and queries together
}

TEST_CASE("stricter limits read more cells, and the strictest all of them") {
  const auto vectors = test::clustered_unit_vectors(2000, kDimension, 5, 1);
  const auto probes = [&](double recall, double error) {
    auto items = collection_of(vectors);
    const auto tuned = tune_index(items, "ivf", {.min_recall = recall, .max_score_error = error});
    CHECK(tuned.search.nprobe == items.index().nprobe());
    CHECK(tuned.search.recall >= recall);
    CHECK(tuned.search.score_error <= error);
    return tuned.search.nprobe;
  };
  const auto loose = probes(0.5, 10);
  const auto fair = probes(0.99, 0.01);
  CHECK(loose == (index::cells_for(2000) + 7) / 8);
  CHECK(loose < fair);
  CHECK(probes(1, 0) > fair);
}

TEST_CASE("vectors stored in fewer bits are measured against the vectors as they were") {
  const auto kind = GENERATE(Kind::fp16, Kind::sq8, Kind::ivfsq8);
  const auto vectors = test::clustered_unit_vectors(2000, kDimension, 6);
  auto items = collection_of(vectors);
  const auto [calibration, search, query_ms] = tune_index(items, std::string{index::name_of(kind)}, {});
  CAPTURE(index::name_of(kind), search.recall, search.score_error);
  CHECK(items.index().kind() == kind);
  CHECK((search.recall > 0.9 && (search.recall < 1 || kind == Kind::fp16)));
  CHECK((search.score_error > 0 && search.score_error < (kind == Kind::fp16 ? 0.005 : 0.2)));
  CHECK(calibration.n == 2000);
}

TEST_CASE("exact search needs no measuring, and auto picks it for a small reference") {
  const auto* const kind = GENERATE("flat", "auto");
  auto items = collection_of(test::clustered_unit_vectors(300, kDimension, 7));
  const auto [calibration, search, query_ms] = tune_index(items, kind, {});
  CHECK(items.index().kind() == Kind::flat);
  CHECK((search.nlist == 0 && search.recall == 1 && search.score_error == 0 && search.sample == 0));
}

TEST_CASE("auto keeps to a time for a query: exact search where that does, else whichever is faster") {
  const auto vectors = test::clustered_unit_vectors(4000, kDimension, 7);
  auto patient = collection_of(vectors);
  const auto exact = tune_index(patient, "auto", {.max_query_ms = 60'000});
  CHECK(patient.index().kind() == Kind::flat);
  CHECK((exact.query_ms > 0 && exact.query_ms <= 60'000));
  auto hasty = collection_of(vectors);
  const auto cells = tune_index(hasty, "auto", {.max_query_ms = 1e-9});
  CHECK(cells.query_ms > 1e-9);
  CHECK((hasty.index().kind() == Kind::flat || cells.search.recall >= 0.99));
  auto silent = collection_of(vectors);
  CHECK(tune_index(silent, "auto", {}).query_ms == 0);
}

TEST_CASE("unknown kinds, limits that nothing can meet and too few images are refused") {
  auto items = collection_of(test::clustered_unit_vectors(300, kDimension, 8));
  CHECK(test::code_of([&] { return tune_index(items, "hnsw", {}); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return tune_index(items, "ivf", {.min_recall = 1.1}); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return tune_index(items, "ivf", {.min_recall = std::nan("")}); }) ==
        Errc::invalid_argument);
  CHECK(test::code_of([&] { return tune_index(items, "ivf", {.max_score_error = -1}); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return tune_index(items, "auto", {.max_query_ms = -1}); }) == Errc::invalid_argument);
  auto few = collection_of(test::clustered_unit_vectors(20, kDimension, 8));
  const auto kind = GENERATE(as<std::string>{}, "ivf", "sq8", "ivfsq8");
  CHECK(test::message_of([&] { return tune_index(few, kind, {}); }).find("50") != std::string::npos);
}
