// What every kind of index must do alike.
#include "index/kind.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <span>

#include "core/error.hpp"
#include "core/file.hpp"
#include "index/ann.hpp"
#include "index/sketch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/clusters.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Ann;
using index::Kind;

namespace {

constexpr std::size_t kRows = 1000;
constexpr std::size_t kDimension = 24;

Ann ann_of(Kind kind, MatrixView vectors) {
  Ann flat{vectors.cols};
  flat.add(vectors);
  return flat.converted(kind);
}

Kind any_kind() {
  return GENERATE(Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8);
}

// Points so far apart that no code can exchange them: i on the axis i % dimension, at 1, 2, 3 ...
Matrix separated(std::size_t rows, std::size_t dimension) {
  Matrix points{rows, dimension};
  for (std::size_t i = 0; i < rows; ++i) points.row(i)[i % dimension] = static_cast<float>(1 + i / dimension);
  return points;
}

Matrix first_rows(const Matrix& vectors, std::size_t rows) {
  return {rows,
          vectors.cols,
          {vectors.data.begin(), vectors.data.begin() + static_cast<std::ptrdiff_t>(rows * vectors.cols)}};
}

}  // namespace

TEST_CASE("every kind finds well separated points, each under its own row") {
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto points = separated(200, 20);
  const auto ann = ann_of(kind, points);
  CHECK(ann.kind() == kind);
  CHECK(ann.size() == 200);
  CHECK(ann.dimension() == 20);
  const auto found = ann.search(points, 1);
  for (std::size_t i = 0; i < points.rows; ++i) CHECK(found.rows[i] == static_cast<std::int64_t>(i));
}

TEST_CASE("a distance is the one to the vector as stored, whatever the kind") {
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto vectors = test::clustered_unit_vectors(kRows, kDimension, 5);
  const auto ann = ann_of(kind, vectors);
  const auto found = ann.search(first_rows(vectors, 30), 4);
  for (std::size_t j = 0; j < found.rows.size(); ++j) {
    const auto stored = ann.vector(static_cast<std::size_t>(found.rows[j]));
    const auto query = vectors.row(j / 4);
    double squares = 0;
    for (std::size_t d = 0; d < kDimension; ++d) squares += std::pow(double{query[d]} - stored[d], 2);
    CHECK(found.distances[j] == Approx(std::sqrt(squares)).margin(1e-6));
  }
}

TEST_CASE("stored vectors are the ones given, up to half a code step where they are quantised") {
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto vectors = test::clustered_unit_vectors(kRows, kDimension, 6);
  const auto ann = ann_of(kind, vectors);
  float step = 0;
  if (kind == Kind::sq8 || kind == Kind::ivfsq8) step = 2.0F / 255;  // unit vectors: no dimension spans more than 2
  if (kind == Kind::fp16) step = 0x1p-12F;                           // 11 bits of numbers below 1
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto stored = ann.vector(i);
    for (std::size_t d = 0; d < kDimension; ++d) REQUIRE(std::abs(stored[d] - vectors.row(i)[d]) <= step);
  }
}

TEST_CASE("halves refuse what they cannot hold, at building and at adding") {
  Matrix vectors{3, kDimension};
  auto halves = ann_of(Kind::fp16, vectors);
  vectors.row(1)[2] = -65505;
  CHECK(test::message_of([&] { halves.add(vectors); }).find("at most 65504") != std::string::npos);
  CHECK(halves.size() == 3);
  CHECK(test::code_of([&] { return ann_of(Kind::fp16, vectors); }) == Errc::invalid_argument);
  vectors.row(1)[2] = -65504;
  halves.add(vectors);
  CHECK(halves.vector(4)[2] == -65504);
}

TEST_CASE("one query and a batch give the same rows and distances, to the bit") {
  const auto kind = any_kind();
  const auto vectors = test::clustered_unit_vectors(kRows + 50, kDimension, 7);
  auto ann = ann_of(kind, first_rows(vectors, kRows));
  if (ann.nlist() > 0) ann.set_nprobe(std::max<std::size_t>(1, ann.nlist() / 8));
  CAPTURE(index::name_of(kind), ann.nprobe());
  const MatrixView queries{50, kDimension, vectors.row(kRows).data()};
  const auto together = ann.search(queries, 5);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const auto alone = ann.search({1, kDimension, queries.row(q).data()}, 5);
    CHECK(std::ranges::equal(alone.rows, std::span{together.rows}.subspan(q * 5, 5)));
    CHECK(std::ranges::equal(alone.distances, std::span{together.distances}.subspan(q * 5, 5)));
  }
}

TEST_CASE("more neighbours than vectors are padded with row -1 and infinity") {
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto ann = ann_of(kind, separated(3, 4));
  const auto found = ann.search(separated(1, 4), 5);
  CHECK(std::ranges::count(found.rows, -1) == 2);
  CHECK(found.rows.front() == 0);
  CHECK((found.rows[3] == -1 && std::isinf(found.distances[3]) && std::isinf(found.distances[4])));
}

TEST_CASE("every kind refuses a wrong dimension, a value that is not finite and k = 0") {
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  auto ann = ann_of(kind, separated(100, 2));
  for (const auto& bad : {Matrix{1, 3, {1, 2, 3}}, Matrix{1, 2, {NAN, 0}}, Matrix{1, 2, {0, INFINITY}}}) {
    CHECK(test::code_of([&] { ann.add(bad); }) == Errc::invalid_argument);
    CHECK(test::code_of([&] { return ann.search(bad, 1); }) == Errc::invalid_argument);
  }
  CHECK(test::code_of([&] { return ann.search(Matrix{1, 2, {0, 0}}, 0); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { ann.set_nprobe(0); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { ann.set_nprobe(ann.nlist() + 1); }) == Errc::invalid_argument);
}

TEST_CASE("every kind answers the same after it was written and read, and takes more vectors") {
  test::TempDir dir;
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto vectors = test::clustered_unit_vectors(kRows, kDimension, 8);
  auto ann = ann_of(kind, vectors);
  if (ann.nlist() > 0) ann.set_nprobe(3);
  ann.write(dir / "x");
  auto back = Ann::read(dir / "x", kDimension, kRows);
  CHECK(back.kind() == kind);
  CHECK(back.nlist() == ann.nlist());
  CHECK(back.nprobe() == ann.nprobe());
  const auto before = ann.search(vectors, 5);
  const auto after = back.search(vectors, 5);
  CHECK(after.rows == before.rows);
  CHECK(after.distances == before.distances);
  back.add(first_rows(vectors, 1));
  CHECK(back.vector(kRows) == back.vector(0));
}

TEST_CASE("a file of another dimension, another size or cut short is corrupt") {
  test::TempDir dir;
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  ann_of(kind, separated(200, 4)).write(dir / "x");
  const auto code = [&](std::size_t dimension, std::size_t size) {
    return test::code_of([&] { return Ann::read(dir / "x", dimension, size); });
  };
  CHECK(code(4, 200) == std::nullopt);
  CHECK(code(5, 200) == Errc::corrupt);
  CHECK(code(4, 199) == Errc::corrupt);
  const auto whole = std::filesystem::file_size(dir / "x");
  for (const auto size : {std::uintmax_t{0}, std::uintmax_t{10}, whole / 2, whole - 1}) {
    std::filesystem::resize_file(dir / "x", size);
    CHECK(code(4, 200) == Errc::corrupt);
  }
}

TEST_CASE("cells whose header asks to probe more cells than there are, or none, are corrupt") {
  test::TempDir dir;
  const std::uint64_t probes = GENERATE(0U, 6U, 1U << 30);
  const auto kind = GENERATE(Kind::ivf, Kind::ivfsq8);
  auto ann = ann_of(kind, separated(200, 4));
  REQUIRE(ann.nlist() == 5);
  ann.write(dir / "x");
  auto bytes = read_file(dir / "x");
  // fourcc, d (4), ntotal, two spares (8 each), trained (1), metric (4), nlist (8), nprobe (8)
  constexpr std::size_t kProbeAt = 4 + 4 + 3 * 8 + 1 + 4 + 8;
  REQUIRE(bytes[kProbeAt] == 5);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&probes), sizeof probes, bytes.begin() + kProbeAt);
  std::ofstream{dir / "x", std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                   static_cast<std::streamsize>(bytes.size()));
  CHECK(test::code_of([&] { return Ann::read(dir / "x", 4, 200); }) == Errc::corrupt);
}

TEST_CASE("reading more cells never loses a neighbour, and all cells lose none") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  CAPTURE(seed);
  const auto vectors = test::clustered_unit_vectors(2000, kDimension, seed);
  Ann flat{kDimension};
  flat.add(vectors);
  auto ann = flat.converted(Kind::ivf);
  const auto exact = flat.search(vectors, 3);
  std::ptrdiff_t hits = -1;
  for (const auto nprobe : {ann.nlist() / 8, ann.nlist() / 2, ann.nlist()}) {
    ann.set_nprobe(nprobe);
    const auto found = ann.search(vectors, 3);
    std::ptrdiff_t now = 0;
    for (std::size_t j = 0; j < found.rows.size(); ++j)
      now += found.distances[j] <= exact.distances[j / 3 * 3 + 2] ? 1 : 0;
    CHECK(now >= hits);
    hits = now;
  }
  CHECK(hits == static_cast<std::ptrdiff_t>(exact.rows.size()));
}

TEST_CASE("the same vectors give the same index, byte for byte") {
  test::TempDir dir;
  const auto kind = any_kind();
  CAPTURE(index::name_of(kind));
  const auto vectors = test::clustered_unit_vectors(kRows, kDimension, 9);
  ann_of(kind, vectors).write(dir / "one");
  ann_of(kind, vectors).write(dir / "two");
  CHECK(read_file(dir / "one") == read_file(dir / "two"));
}

TEST_CASE("cells number 4 sqrt(n), with at least 39 vectors each") {
  CHECK(index::cells_for(0) == 1);
  CHECK(index::cells_for(50) == 1);
  CHECK(index::cells_for(390) == 10);
  CHECK(index::cells_for(100'000) == 1264);
  CHECK(index::cells_for(1'000'000) == 4000);
  const auto n = GENERATE(range<std::size_t>(39, 5000, 487));
  CHECK(n / index::cells_for(n) >= 39);
}

TEST_CASE("auto is exact up to 100,000 vectors of 512 values, 400,000 where bytes are read first, and cells beyond") {
  const std::size_t most = index::Sketch::pays(100'000, 512) ? 400'000 : 100'000;
  CAPTURE(most);
  CHECK(index::automatic_kind(0, 512) == Kind::flat);
  CHECK(index::automatic_kind(most, 512) == Kind::flat);
  CHECK(index::automatic_kind(most + 1, 512) == Kind::ivf);
  CHECK(index::automatic_kind(most / 2, 1752) == Kind::ivf);
  CHECK(index::automatic_kind(1'000, 100'000) == Kind::ivf);  // vectors too wide for bytes
}

TEST_CASE("kinds are known by name, an unknown one lists them, and none learns from nothing") {
  const auto kind = any_kind();
  CHECK(index::kind_of(index::name_of(kind)) == kind);
  CHECK(test::message_of([] { return index::kind_of("hnsw"); }).find("flat, ivf, fp16, sq8 or ivfsq8") !=
        std::string::npos);
  CHECK(test::code_of([&] { return Ann{4}.converted(kind); }) == Errc::invalid_argument);
}
