// One row of CSV (RFC 4180), with its line end. Thread-safe: pure functions.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace driftd::api {

// Text of unknown origin as a cell: what a spreadsheet would take for a formula (= + - @ and control characters in
// front) begins with an apostrophe.
[[nodiscard]] std::string inert(std::string_view text);

[[nodiscard]] std::string csv_row(std::initializer_list<std::string_view> cells);

}  // namespace driftd::api
