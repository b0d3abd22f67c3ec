#include "api/grouping.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "api/held_out_split.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

std::string refusal(const std::string& text) {
  return test::message_of([&] { return decode_grouping(text); });
}

}  // namespace

TEST_CASE("a file of groups may have a heading, quotes, and the line ends of another system") {
  const auto grouping = decode_grouping("path,group\r\na/1.png,one\r\n\"b,2.png\",\"say \"\"two\"\"\"\n\nc.png,one\n");
  CHECK(grouping.of.size() == 3);
  CHECK(grouping.of.at("a/1.png") == "one");
  CHECK(grouping.of.at("b,2.png") == "say \"two\"");
}

TEST_CASE("a line that is not path and group is refused by its number") {
  const auto line = GENERATE(as<std::string>{}, "alone", "a,", ",b", "a,b,c", "\"open,b", "a,\"open");
  CHECK(refusal("x,1\n" + line + "\n").find("line 2") != std::string::npos);
}

TEST_CASE("a path in two groups is refused") {
  CHECK(refusal("a,1\nb,1\na,2\n").find("line 3 of the groups gives a another group") != std::string::npos);
  CHECK(decode_grouping("a,1\na,1\n").of.size() == 1);
}

TEST_CASE("groups survive their bytes") {
  const auto grouping = decode_grouping("\"a\"\",b\",one\nc,\"two,three\"\n");
  CHECK(decode_grouping(encode(grouping)).of == grouping.of);
  CHECK(decode_grouping(encode(read_grouping("label"))).by_label);
}

TEST_CASE("items are looked up by uri, then by id; others stand for themselves") {
  const std::vector<index::Item> items{
      {"1", "x", "a.png", {}}, {"2", "y", "b.png", {}}, {"3", "x", "c.png", {}}, {"4", "x", "d.png", {}}};
  std::size_t found = 0;
  const auto numbers = group_numbers(decode_grouping("a.png,g\n2,g\n"), items, &found);
  CHECK(found == 2);
  CHECK(numbers[0] == numbers[1]);
  CHECK(numbers[2] != numbers[0]);
  CHECK(numbers[3] != numbers[2]);
  CHECK(group_numbers(read_grouping("label"), items) == std::vector<std::uint32_t>{0, 1, 0, 0});
}

TEST_CASE("a grouping that is no file, or an empty one, is refused") {
  const test::TempDir folder;
  CHECK(test::code_of([&] { return read_grouping((folder.path() / "none.csv").string()); }) == Errc::not_found);
  std::ofstream{folder.path() / "empty.csv"} << "path,group\n";
  CHECK(test::code_of([&] { return read_grouping((folder.path() / "empty.csv").string()); }) == Errc::invalid_argument);
}

TEST_CASE("about the wanted share is held out, the same each time, groups as a whole") {
  const auto held = choose_held_out(1000, 0.2);
  CHECK(std::ranges::count(held, true) == 200);
  CHECK(held == choose_held_out(1000, 0.2));
  std::vector<std::uint32_t> groups;
  for (std::uint32_t i = 0; i < 1000; ++i) groups.push_back(i % 100);
  const auto grouped = choose_held_out(1000, 0.2, groups);
  CHECK(std::ranges::count(grouped, true) == 200);
  for (std::size_t i = 100; i < 1000; ++i) REQUIRE(grouped[i] == grouped[i - 100]);
}

TEST_CASE("holding out too few, too many or nonsense is refused with what it takes") {
  CHECK(test::message_of([] { return choose_held_out(200, 0.2); }).find("both need 50") != std::string::npos);
  CHECK(test::code_of([] { return choose_held_out(100, 0.6); }) == Errc::invalid_argument);
  CHECK_NOTHROW(choose_held_out(100, 0.5));
  for (const double share : {0.0, 1.0, -0.1, std::nan("")}) {
    CHECK(test::code_of([&] { return choose_held_out(1000, share); }) == Errc::invalid_argument);
  }
}
