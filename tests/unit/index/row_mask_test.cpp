#include "index/row_mask.hpp"

#include <random>

#include "tests/support/catch.hpp"

using driftd::index::RowMask;

TEST_CASE("a row mask remembers what was set and counts it") {
  const auto rows = GENERATE(as<std::size_t>{}, 1, 63, 64, 65, 1000);
  const auto seed = GENERATE(take(3, random(1, 1 << 30)));
  CAPTURE(rows, seed);
  std::mt19937 random{static_cast<unsigned>(seed)};
  RowMask mask{rows};
  std::vector<bool> model(rows);
  for (int i = 0; i < 2000; ++i) {
    const auto row = random() % rows;
    const auto value = random() % 2 == 0;
    mask.set(row, value);
    model[row] = value;
  }
  std::size_t count = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    CHECK(mask.test(row) == model[row]);
    count += model[row] ? 1 : 0;
  }
  CHECK(mask.count() == count);
}

TEST_CASE("a full row mask has no bit past its last row") {
  const auto rows = GENERATE(as<std::size_t>{}, 0, 1, 63, 64, 65, 128, 130);
  const RowMask mask{rows, true};
  CHECK(mask.size() == rows);
  CHECK(mask.count() == rows);
  CHECK(mask.words().size() == (rows + 63) / 64);
}
