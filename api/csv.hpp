// One row of CSV (RFC 4180), with its line end. Thread-safe: a pure function.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace driftd::api {

[[nodiscard]] std::string csv_row(std::initializer_list<std::string_view> cells);

}  // namespace driftd::api
