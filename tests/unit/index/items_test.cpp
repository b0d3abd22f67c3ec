#include "index/items.hpp"

#include <map>
#include <random>
#include <stdexcept>

#include "tests/support/catch.hpp"

using namespace driftd::index;

TEST_CASE("items are those that were added, found by id and by label") {
  const auto seed = GENERATE(1U, 2U, 3U);
  INFO("seed " << seed);
  std::mt19937 random{seed};
  const auto text = [&](std::size_t longest) {
    std::string some(random() % (longest + 1), ' ');
    for (char& c : some) c = static_cast<char>('a' + random() % 3);
    return some;
  };
  Items items;
  std::vector<Item> model;
  std::map<std::string, std::size_t> by_id;
  std::map<std::string, std::vector<std::uint32_t>> by_label;
  if (seed == 3) items.reserve(500);
  for (int i = 0; i < 2000; ++i) {
    const Item item{text(6), text(2), text(40), text(9)};
    const bool fresh = by_id.try_emplace(item.id, model.size()).second;
    REQUIRE(items.add(view_of(item)) == fresh);
    if (!fresh) continue;
    by_label[item.label].push_back(static_cast<std::uint32_t>(model.size()));
    model.push_back(item);
  }
  REQUIRE(items.size() == model.size());
  for (std::size_t row = 0; row < model.size(); ++row) REQUIRE(copy_of(items.at(row)) == model[row]);
  for (int i = 0; i < 2000; ++i) {
    const auto id = text(6);
    const auto found = by_id.find(id);
    REQUIRE(items.find(id) == (found == by_id.end() ? std::nullopt : std::optional{found->second}));
  }
  CHECK(std::map(items.labels().begin(), items.labels().end()) == by_label);
  CHECK_THROWS_AS(items.at(items.size()), std::out_of_range);

  const Items moved = std::move(items);
  for (std::size_t row = 0; row < model.size(); ++row) REQUIRE(copy_of(moved.at(row)) == model[row]);
}

TEST_CASE("where nothing was added nothing is found") {
  const Items none;
  CHECK((none.size() == 0 && !none.find("") && !none.find("a") && none.labels().empty()));
}
