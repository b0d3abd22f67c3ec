#include "api/grouping.hpp"

#include <optional>

#include "api/csv.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

constexpr std::string_view kByLabel = "label";

// The cell at the front of a row, which is taken off with the comma behind it; nothing where a quote is not closed.
std::optional<std::string> take_cell(std::string_view& row) {
  std::string cell;
  if (!row.starts_with('"')) {
    const auto end = std::min(row.find(','), row.size());
    cell = row.substr(0, end);
    row.remove_prefix(std::min(row.size(), end + 1));
    return cell;
  }
  for (std::size_t i = 1; i < row.size(); ++i) {
    if (row[i] != '"') {
      cell += row[i];
    } else if (i + 1 < row.size() && row[i + 1] == '"') {
      cell += row[i++];
    } else {
      row.remove_prefix(std::min(row.size(), i + 2));
      return cell;
    }
  }
  return std::nullopt;
}

void add_line(std::string_view line, std::size_t number, Grouping& grouping) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty() || (number == 1 && line == "path,group")) return;
  auto rest = line;
  const auto path = take_cell(rest);
  const auto group = take_cell(rest);
  const auto place = "line " + std::to_string(number) + " of the groups";
  if (!path || !group || path->empty() || group->empty() || !rest.empty()) {
    throw Error{Errc::invalid_argument,
                place + " is not two cells, path,group: \"" + std::string{line.substr(0, 100)} + '"'};
  }
  const auto [entry, is_new] = grouping.of.emplace(*path, *group);
  if (!is_new && entry->second != *group) {
    throw Error{Errc::invalid_argument, place + " gives " + *path + " another group than a line before"};
  }
}

}  // namespace

Grouping read_grouping(const std::string& where) {
  if (where == kByLabel) return {true, {}};
  const auto bytes = read_file(where);
  auto grouping = decode_grouping({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (grouping.empty()) throw Error{Errc::invalid_argument, where + " has no line path,group"};
  return grouping;
}

std::string encode(const Grouping& grouping) {
  if (grouping.by_label) return std::string{kByLabel};
  std::string text;
  for (const auto& [path, group] : grouping.of) text += csv_row({path, group});
  return text;
}

Grouping decode_grouping(std::string_view text) {
  if (text == kByLabel) return {true, {}};
  Grouping grouping;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    add_line(text.substr(0, end), number, grouping);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return grouping;
}

std::vector<std::uint32_t> group_numbers(const Grouping& grouping, std::span<const index::Item> items,
                                         std::size_t* found) {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  std::vector<std::uint32_t> result;
  std::uint32_t next = 0;
  std::size_t known = 0;
  for (const auto& item : items) {
    auto at = grouping.of.find(item.uri);
    if (at == grouping.of.end()) at = grouping.of.find(item.id);
    const bool has_group = grouping.by_label || at != grouping.of.end();
    if (!has_group) {
      result.push_back(next++);
      continue;
    }
    ++known;
    const auto [entry, is_new] = numbers.emplace(grouping.by_label ? std::string_view{item.label} : at->second, next);
    next += is_new ? 1 : 0;
    result.push_back(entry->second);
  }
  if (found != nullptr) *found = known;
  return result;
}

}  // namespace driftd::api
