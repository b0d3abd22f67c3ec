// Memory in large pages: what is in it stays, whatever the system gives.
#include "core/huge_pages.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/support/catch.hpp"

using namespace driftd;

TEST_CASE("a vector in huge pages grows from a few bytes to many pages and keeps its values") {
  std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> values(3, 7);
  const std::size_t large = 5 * kHugePage / sizeof(std::uint32_t) + 11;
  values.resize(large, 9);
  CHECK(std::ranges::count(values, 7U) == 3);
  CHECK(std::ranges::count(values, 9U) == static_cast<std::ptrdiff_t>(large - 3));
  CHECK(reinterpret_cast<std::uintptr_t>(values.data()) % kHugePage == 0);
  auto copy = values;
  CHECK(copy == values);
  values.resize(5);
  values.shrink_to_fit();
  CHECK(values == decltype(values){7, 7, 7, 9, 9});
}
