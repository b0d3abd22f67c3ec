// The drawings of a report: inline SVG that scales, follows the page's colours (light and dark) and reads aloud.
//
// Thread-safe: pure functions. Each drawing carries a title and a description; names are escaped here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/report.hpp"

namespace driftd::api {

[[nodiscard]] std::string escape_html(std::string_view text);  // also cleans what is not UTF-8

// A colour and a fill by CSS class of the page: "reference", "inside" or "outside".
struct Box {
  std::string name;
  std::string css_class;
  std::uint64_t images = 0;
  drift::Quantiles values;
};

// Boxes from the 25% to the 75% quantile, whiskers from 5% to 95%, dots at the extremes; a line at the limit.
[[nodiscard]] std::string box_plot(const std::vector<Box>& boxes, double limit);

// Shares of reference and audited images over equal bins of [low, high].
[[nodiscard]] std::string score_histogram(std::span<const std::uint64_t> reference,
                                          std::span<const std::uint64_t> audited, double low, double high,
                                          double limit);

// Empirical distribution of the p-values (equal bins of (0, 1]) against the diagonal of a reference's own images.
[[nodiscard]] std::string p_value_plot(std::span<const std::uint64_t> histogram, double alpha);

// OOD rate with bounds along the order of the images; a line at the rate expected without drift.
[[nodiscard]] std::string order_plot(const std::vector<drift::OrderBin>& bins, double alpha);

}  // namespace driftd::api
