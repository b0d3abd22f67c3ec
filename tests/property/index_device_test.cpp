// Searches on a device, against the same searches on the CPU. Without a GPU: that they go on, and say why.
#include <algorithm>
#include <iostream>

#include "index/ann.hpp"
#include "index/gpu.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/clusters.hpp"

using namespace driftd;
using index::Ann;
using index::Kind;

namespace {

constexpr std::size_t kRows = 5000;
constexpr std::size_t kQueries = 100;
constexpr std::size_t kDimension = 48;
constexpr std::size_t kFound = 10;

struct Fixture {
  Ann ann;
  Matrix queries;
};

Fixture fixture(Kind kind, std::uint64_t seed) {
  const auto vectors = test::clustered_unit_vectors(kRows + kQueries, kDimension, seed);
  Ann flat{kDimension};
  flat.add({kRows, kDimension, vectors.data.data()});
  const auto first = vectors.row(kRows).data();
  return {flat.converted(kind), {kQueries, kDimension, {first, first + kQueries * kDimension}}};
}

double share_found(const index::Neighbours& found, const index::Neighbours& expected) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto truth = std::span{expected.rows}.subspan(q * kFound, kFound);
    for (const auto row : std::span{found.rows}.subspan(q * kFound, kFound)) hits += std::ranges::count(truth, row);
  }
  return static_cast<double>(hits) / (kQueries * kFound);
}

}  // namespace

TEST_CASE("a device finds what the CPU finds, at the same distances") {
  const auto device = GENERATE(as<std::string>{}, "cuda:0", "all");
  if (index::gpu_count() == 0) {
    std::cout << device << ": skipped: no GPU\n";
    SUCCEED("skipped: no GPU");
    return;
  }
  const auto kind = GENERATE(Kind::flat, Kind::ivf, Kind::ivfsq8);
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  CAPTURE(device, index::name_of(kind), seed);
  auto f = fixture(kind, seed);
  const auto expected = f.ann.search(f.queries, kFound);
  f.ann.place(index::device_of(device));
  REQUIRE(f.ann.device_fallback().empty());
  const auto found = f.ann.search(f.queries, kFound);
  CHECK(f.ann.device_fallback().empty());
  CHECK(found.rows == expected.rows);
  for (std::size_t i = 0; i < found.distances.size(); ++i)
    CHECK(found.distances[i] == Approx(expected.distances[i]).margin(1e-4));
  if (f.ann.nlist() == 0) return;
  f.ann.set_nprobe((f.ann.nlist() + 7) / 8);
  const auto by_device = f.ann.search(f.queries, kFound);
  CHECK(f.ann.device_fallback().empty());
  f.ann.place({});
  CHECK(share_found(by_device, f.ann.search(f.queries, kFound)) >=
        0.99);  // the last cell may differ by a rounding error
}

TEST_CASE("whatever the device, an index answers, filters, grows, and says why when it stays on the CPU") {
  const auto device = GENERATE(as<std::string>{}, "cuda:0", "cuda:999", "all");
  const auto kind = GENERATE(Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8);
  CAPTURE(device, index::name_of(kind), index::gpu_count());
  auto f = fixture(kind, 3);
  index::RowMask allowed{kRows};
  for (std::size_t i = 0; i < kRows; i += 2) allowed.set(i);
  const auto expected = f.ann.search(f.queries, kFound);
  const auto filtered = f.ann.search(f.queries, kFound, {&allowed});
  f.ann.place(index::device_of(device));
  const auto reason = f.ann.device_fallback();
  const auto found = f.ann.search(f.queries, kFound);
  CHECK(found.rows == expected.rows);
  CHECK(f.ann.search(f.queries, kFound, {&allowed}).rows == filtered.rows);
  CHECK(f.ann.search(f.queries, kRows + 1).rows[kRows - 1] >= 0);  // more than a GPU finds
  if (index::gpu_count() == 0 || device == "cuda:999" || kind == Kind::sq8 || kind == Kind::fp16) {
    CHECK(reason.find(device) != std::string::npos);
    CHECK(reason.find('\n') == std::string::npos);
    CHECK(found.distances == expected.distances);
  }
  f.ann.add({1, kDimension, f.queries.row(0).data()});
  const auto itself = f.ann.search({1, kDimension, f.queries.row(0).data()}, 1);
  CHECK(itself.rows[0] == static_cast<std::int64_t>(kRows));
  f.ann.place({});
  CHECK(f.ann.device_fallback().empty());
}
