#include "api/csv.hpp"

namespace driftd::api {

std::string inert(std::string_view text) {
  const bool formula = !text.empty() && std::string_view{"=+-@\t\r\n"}.find(text.front()) != std::string_view::npos;
  return (formula ? "'" : "") + std::string{text};
}

std::string csv_row(std::initializer_list<std::string_view> cells) {
  std::string row;
  for (const auto& cell : cells) {
    if (&cell != cells.begin()) row += ',';
    if (cell.find_first_of(",\"\r\n") == std::string_view::npos) {
      row += cell;
      continue;
    }
    row += '"';
    for (const char c : cell) row += c == '"' ? std::string{"\"\""} : std::string{c};
    row += '"';
  }
  return row + "\n";
}

}  // namespace driftd::api
