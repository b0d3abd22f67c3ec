// Exact search by reading every row, against an oracle in double precision and against FAISS.
#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "index/scan.hpp"
#include "index/scan_kernel.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using index::Neighbours;
using index::RowMask;

namespace {

// Small whole numbers: every distance is exact in float, and many are equal.
Matrix whole_numbers(std::size_t rows, std::size_t cols, std::mt19937_64& random) {
  Matrix m{rows, cols};
  for (auto& value : m.data) value = static_cast<float>(random() % 5);
  return m;
}

Matrix normal_numbers(std::size_t rows, std::size_t cols, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  Matrix m{rows, cols};
  for (auto& value : m.data) value = normal(random);
  return m;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum);
}

std::vector<std::pair<double, std::int64_t>> brute_force(const Matrix& rows, std::span<const float> query,
                                                         const RowMask* allowed) {
  std::vector<std::pair<double, std::int64_t>> all;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    if (allowed == nullptr || allowed->test(i))
      all.emplace_back(distance(rows.row(i), query), static_cast<std::int64_t>(i));
  }
  std::sort(all.begin(), all.end());
  return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// By the definition of IEEE 754 binary16.
float value_of_half(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const auto size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000) != 0 ? -size : size);
}

// Finite halves, and bytes.
std::pair<std::vector<std::uint16_t>, std::vector<std::uint8_t>> random_codes(std::size_t rows, std::size_t cols,
                                                                              std::mt19937_64& random) {
  std::vector<std::uint16_t> halves(rows * cols);
  std::vector<std::uint8_t> bytes(rows * cols);
  for (auto& half : halves) half = static_cast<std::uint16_t>((random() & 0x83FF) | (random() % 31) << 10);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return {halves, bytes};
}

}  // namespace

TEST_CASE("a scan finds what brute force finds, equal distances by row, whatever the shape, the mask and the threads") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(60, random(1, 1 << 30))));
  std::mt19937_64 random{seed};
  const auto cols = 1 + random() % 70;
  const auto rows = whole_numbers(random() % 700, cols, random);
  const auto queries = whole_numbers(1 + random() % 140, cols, random);
  const auto k = 1 + random() % 40;
  const auto threads = static_cast<int>(random() % 4);
  std::optional<RowMask> allowed;
  if (random() % 2 == 0) {
    allowed.emplace(rows.rows);
    for (std::size_t i = 0; i < rows.rows; ++i) allowed->set(i, random() % 3 == 0);
  }
  const auto* mask = allowed ? &*allowed : nullptr;
  CAPTURE(seed, cols, rows.rows, queries.rows, k, threads, allowed.has_value());
  const auto found = index::scan(queries, rows, k, mask, threads);
  const auto read = index::scan(
      queries, rows.rows,
      [&](std::span<const std::int64_t> some, float* values) {
        for (const auto row : some) values = std::ranges::copy(rows.row(row), values).out;
      },
      k, mask, threads);
  CHECK(read.rows == found.rows);
  CHECK(same_bits(read.distances, found.distances));
  std::size_t wrong = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const auto expected = brute_force(rows, queries.row(q), mask);
    for (std::size_t j = 0; j < k; ++j) {
      const auto row = j < expected.size() ? expected[j].second : -1;
      const auto far = j < expected.size() ? static_cast<float>(expected[j].first) : INFINITY;
      wrong += found.rows[q * k + j] == row && found.distances[q * k + j] == far ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a scan's distances have the same bits in any batch and on any number of threads") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(4, random(1, 1 << 30))));
  const auto cols = GENERATE(as<std::size_t>{}, 7, 64, 1752);
  CAPTURE(seed, cols);
  std::mt19937_64 random{seed};
  const auto rows = normal_numbers(600, cols, random);
  const auto queries = normal_numbers(71, cols, random);
  const auto all = index::scan(queries, rows, 9);
  for (const std::size_t batch : {1, 2, 3, 8, 16, 17}) {
    for (std::size_t first = 0; first + batch <= queries.rows; first += batch) {
      const auto some = index::scan({batch, cols, queries.row(first).data()}, rows, 9, nullptr, 1 + first % 2);
      REQUIRE(std::ranges::equal(some.rows, std::span{all.rows}.subspan(first * 9, batch * 9)));
      REQUIRE(same_bits(some.distances, std::span{all.distances}.subspan(first * 9, batch * 9)));
    }
  }
}

TEST_CASE("a scan agrees with FAISS") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(5, random(1, 1 << 30))));
  const auto cols = GENERATE(as<std::size_t>{}, 5, 512);
  CAPTURE(seed, cols);
  constexpr std::size_t kFound = 10;
  std::mt19937_64 random{seed};
  const auto rows = normal_numbers(2000, cols, random);
  const auto queries = normal_numbers(13, cols, random);
  faiss::IndexFlatL2 flat{static_cast<int>(cols)};
  flat.add(static_cast<std::int64_t>(rows.rows), rows.data.data());
  std::vector<float> squares(queries.rows * kFound);
  std::vector<faiss::Index::idx_t> ids(queries.rows * kFound);
  flat.search(static_cast<std::int64_t>(queries.rows), queries.data.data(), kFound, squares.data(), ids.data());
  const auto found = index::scan(queries, rows, kFound);
  for (std::size_t i = 0; i < squares.size(); ++i) {
    CHECK(found.rows[i] == ids[i]);
    CHECK(found.distances[i] == Approx(std::sqrt(squares[i])).epsilon(1e-5));
  }
}

TEST_CASE("distances too large for a float are infinite and still found") {
  const Matrix rows{3, 1, {3e38F, -3e38F, 0}};
  const auto found = index::scan(Matrix{1, 1, {3e38F}}, rows, 3);
  CHECK(found.rows == std::vector<std::int64_t>{0, 1, 2});
  CHECK((found.distances[0] == 0 && std::isinf(found.distances[1]) && std::isinf(found.distances[2])));
}

TEST_CASE("every kernel that this machine can run computes the distances and decodes the codes") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(3, random(1, 1 << 30))));
  const auto cols = GENERATE(as<std::size_t>{}, 1, 4, 15, 16, 17, 100, 512);
  const auto count = GENERATE(as<std::size_t>{}, 1, 2, 3, 31);
  CAPTURE(seed, cols, count);
  std::mt19937_64 random{seed};
  const auto rows = normal_numbers(count, cols, random);
  const auto stride = (cols / index::kPadding + 1) * index::kPadding;
  auto queries = normal_numbers(8, stride, random);
  for (std::size_t q = 0; q < 8; ++q) std::ranges::fill(queries.row(q).subspan(cols), 0.0F);
  std::vector<const float*> pointers;
  for (std::size_t r = 0; r < count; ++r) pointers.push_back(rows.row(r).data());
  const auto coded = random_codes(count, cols, random);
  const index::Scale scale{queries.row(1).data(), queries.row(2).data()};
  const auto pointers_of = [](const Matrix& m) {
    std::vector<const float*> all;
    for (std::size_t r = 0; r < m.rows; ++r) all.push_back(m.row(r).data());
    return all;
  };
  for (const auto& kernel : index::scan_kernels()) {
    CAPTURE(std::string{kernel.name});
    for (std::size_t entry = 0; entry < kernel.distances.size(); ++entry) {
      const auto together = std::size_t{1} << entry;
      std::vector<float> squares(together * count, -1);
      kernel.distances[entry](pointers, queries.data.data(), stride, cols, squares.data());
      for (std::size_t q = 0; q < together; ++q) {
        for (std::size_t r = 0; r < count; ++r) {
          const auto expected = distance(rows.row(r), queries.row(q).first(cols));
          CHECK(std::sqrt(squares[q * count + r]) == Approx(expected).epsilon(1e-5));
        }
      }
    }
    const auto& [halves, bytes] = coded;
    std::vector<const std::uint16_t*> half_rows;
    std::vector<const std::uint8_t*> byte_rows;
    for (std::size_t r = 0; r < count; ++r) {
      half_rows.push_back(halves.data() + r * cols);
      byte_rows.push_back(bytes.data() + r * cols);
    }
    Matrix from_halves{count, stride};
    Matrix from_bytes{count, stride};
    std::vector<float> to_halves(8 * count);
    std::vector<float> to_bytes(8 * count);
    kernel.decode_halves(half_rows, queries.data.data(), stride, cols, to_halves.data(), from_halves.data.data());
    kernel.decode_bytes(byte_rows, scale, queries.data.data(), stride, cols, to_bytes.data(), from_bytes.data.data());
    for (std::size_t r = 0; r < count; ++r) {
      for (std::size_t j = 0; j < cols; ++j) {
        CHECK(from_halves.row(r)[j] == value_of_half(half_rows[r][j]));
        CHECK(from_bytes.row(r)[j] ==
              Approx(scale.offset[j] + double{scale.step[j]} * byte_rows[r][j]).epsilon(1e-5).margin(1e-4));
      }
    }
    for (std::size_t entry = 0; entry < kernel.distances.size(); ++entry) {
      const auto together = std::size_t{1} << entry;
      CAPTURE(together);
      std::vector<float> squares(together * count);
      std::vector<float> expected(together * count);
      kernel.to_halves[entry](half_rows, queries.data.data(), stride, cols, squares.data());
      kernel.distances[entry](pointers_of(from_halves), queries.data.data(), stride, cols, expected.data());
      CHECK(same_bits(squares, expected));
      CHECK(same_bits(squares, std::span{to_halves}.first(squares.size())));
      kernel.to_bytes[entry](byte_rows, scale, queries.data.data(), stride, cols, squares.data());
      kernel.distances[entry](pointers_of(from_bytes), queries.data.data(), stride, cols, expected.data());
      CHECK(same_bits(squares, expected));
      CHECK(same_bits(squares, std::span{to_bytes}.first(squares.size())));
    }
  }
}

TEST_CASE("rows in fewer bits are scanned as the rows that they stand for") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(30, random(1, 1 << 30))));
  std::mt19937_64 random{seed};
  const auto cols = 1 + random() % 70;
  const auto count = random() % 700;
  const auto queries = normal_numbers(1 + random() % (random() % 2 == 0 ? 4 : 80), cols, random);
  const auto [halves, bytes] = random_codes(count, cols, random);
  const auto scale = normal_numbers(2, cols, random);
  std::optional<RowMask> allowed;
  if (random() % 2 == 0) {
    allowed.emplace(count);
    for (std::size_t i = 0; i < count; ++i) allowed->set(i, random() % 3 == 0);
  }
  const auto* mask = allowed ? &*allowed : nullptr;
  CAPTURE(seed, cols, count, queries.rows, allowed.has_value());
  Matrix from_halves{count, cols};
  Matrix from_bytes{count, cols};
  for (std::size_t i = 0; i < count * cols; ++i) {
    from_halves.data[i] = value_of_half(halves[i]);
    from_bytes.data[i] = std::fma(scale.row(1)[i % cols], static_cast<float>(bytes[i]), scale.row(0)[i % cols]);
  }
  const auto check = [&](const index::CodedRows& coded, const Matrix& plain, double rounding) {
    const auto found = index::scan(queries, coded, 7, mask);
    const auto expected = index::scan(queries, plain, 7, mask);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < found.rows.size(); ++i) {
      if (expected.rows[i] < 0)
        wrong += found.rows[i] < 0 ? 0 : 1;
      else
        wrong += std::abs(found.distances[i] - expected.distances[i]) <= rounding * expected.distances[i] ? 0 : 1;
    }
    CHECK(wrong == 0);
  };
  check({.count = count, .halves = halves.data()}, from_halves, 0);
  check({.count = count, .bytes = bytes.data(), .offset = scale.row(0), .step = scale.row(1)}, from_bytes, 1e-5);
}
