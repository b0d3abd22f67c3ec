#include "index/items.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace driftd::index {
namespace {

constexpr std::size_t kFewest = 16;

}  // namespace

void Items::reserve(std::size_t rows) {
  rows_.reserve(rows);
  if (2 * rows > slots_.size()) make_slots(2 * rows);
}

bool Items::add(const ItemView& item) {
  if (2 * (rows_.size() + 1) > slots_.size()) make_slots(4 * (rows_.size() + 1));
  const std::size_t slot = slot_of(item.id);
  if (slots_[slot] != 0) return false;
  const auto row = static_cast<std::uint32_t>(rows_.size());
  const auto size = [](std::string_view text) { return static_cast<std::uint32_t>(text.size()); };
  const auto [label, fresh] = labels_.try_emplace(std::string{item.label});
  if (fresh) names_.push_back(&*label);
  const auto number = fresh ? names_.size() - 1 : rows_[label->second.front()].label;
  rows_.push_back(
      {text_.size(), size(item.id), size(item.uri), size(item.metadata), static_cast<std::uint32_t>(number)});
  label->second.push_back(row);
  text_.append(item.id).append(item.uri).append(item.metadata);
  slots_[slot] = row + 1;
  return true;
}

ItemView Items::at(std::size_t number) const {
  const Row& row = rows_.at(number);
  const auto text = std::string_view{text_}.substr(row.begin);
  return {text.substr(0, row.id), names_[row.label]->first, text.substr(row.id, row.uri),
          text.substr(std::size_t{row.id} + row.uri, row.metadata)};
}

std::optional<std::size_t> Items::find(std::string_view id) const {
  if (rows_.empty()) return std::nullopt;
  const std::uint32_t found = slots_[slot_of(id)];
  return found == 0 ? std::nullopt : std::optional<std::size_t>{found - 1};
}

// Where the id is, or where it would go.
std::size_t Items::slot_of(std::string_view id) const {
  const std::hash<std::string_view> hash;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash(id) & mask;
  while (slots_[slot] != 0 && id_of(rows_[slots_[slot] - 1]) != id) slot = (slot + 1) & mask;
  return slot;
}

void Items::make_slots(std::size_t count) {
  slots_.assign(std::bit_ceil(std::max(kFewest, count)), 0);
  for (std::size_t row = 0; row < rows_.size(); ++row)
    slots_[slot_of(id_of(rows_[row]))] = static_cast<std::uint32_t>(row + 1);
}

}  // namespace driftd::index
