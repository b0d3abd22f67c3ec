#include "api/calibration_page.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "api/report_charts.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kBins = 40;
constexpr std::size_t kPValueBins = 100;
constexpr const char* kStyle = R"(<style>
svg text { fill: #1b1f24; font: 11px system-ui, sans-serif; }
.tick, .name { fill: #57606a; } .middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: #d5d9de; stroke-width: .6; } .limit { stroke: #1b1f24; stroke-dasharray: 5 3; stroke-width: 1.2; }
.limit-name { font-weight: 600; } .expected { stroke: #57606a; stroke-dasharray: 2 3; } .bar { fill-opacity: .7; }
.inside { fill: #0072b2; } .outside { fill: #d55e00; } .outline { fill: none; stroke: #1b1f24; stroke-width: 1.3; }
.curve { fill: none; stroke: #0072b2; stroke-width: 2; }
</style>)";

// The last bin counts everything above, too.
std::vector<std::uint64_t> histogram(const std::vector<float>& values, double low, double high) {
  std::vector<std::uint64_t> counts(kBins);
  for (const auto value : values) {
    const double place = std::clamp((value - low) / (high - low), 0.0, 1.0);
    ++counts[std::min(kBins - 1, static_cast<std::size_t>(place * kBins))];
  }
  return counts;
}

std::vector<std::uint64_t> p_value_histogram(const std::vector<double>& p_values) {
  std::vector<std::uint64_t> counts(kPValueBins);
  for (const double p : p_values) {
    ++counts[std::min(kPValueBins - 1, static_cast<std::size_t>(std::max(0.0, std::ceil(p * kPValueBins - 1e-9) - 1)))];
  }
  return counts;
}

// A drawing as a part of another one.
std::string placed(std::string drawing, int y) {
  return drawing.insert(4, " x=\"0\" y=\"" + std::to_string(y) + "\" width=\"440\" height=\"250\"");
}

}  // namespace

std::string svg_of(const CalibrationPage& page) {
  const double low = page.scores.front();
  const double high = std::max<double>(
      page.scores[static_cast<std::size_t>(0.995 * static_cast<double>(page.scores.size() - 1))], low + 1e-6);
  return std::string{"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 440 545\" role=\"img\"><title>"} +
         escape_html(page.title) + "</title>" + kStyle +
         "<rect width=\"440\" height=\"545\" fill=\"#fff\"/><text x=\"8\" y=\"18\">" + escape_html(page.title) +
         "</text><text class=\"name\" x=\"8\" y=\"33\">" +
         "line: calibration; bars: images tried as fresh ones; below: how even their p-values are</text>" +
         placed(score_histogram(histogram(page.scores, low, high), histogram(page.trial.scores, low, high), low, high,
                                page.threshold),
                40) +
         placed(p_value_plot(p_value_histogram(page.trial.p_values), page.alpha), 292) + "</svg>\n";
}

std::string html_of(const CalibrationPage& page) {
  return "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" + escape_html(page.title) +
         "</title><body style=\"margin:1rem auto;max-width:44rem\">\n" + svg_of(page) + "</body></html>\n";
}

}  // namespace driftd::api
