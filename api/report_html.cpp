#include "api/report_html.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include "api/report_charts.hpp"
#include "api/thumbnail.hpp"
#include "api/version.hpp"
#include "api/web/report_page.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kThumbnailBytes = 4 << 20;
constexpr std::size_t kMaxTableRows = 300;

std::string number(double value, const char* format = "%.3g") {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string bounds(const drift::Rate& rate) {
  return percent(rate.bounds.lower) + " to " + percent(rate.bounds.upper);
}

std::string cell(const std::string& text) {
  return "<td>" + escape_html(text) + "</td>";
}
std::string figure_cell(const std::string& text) {
  return "<td class=\"number\">" + escape_html(text) + "</td>";
}

std::string facts(const AuditReport& report) {
  const auto& plan = report.plan;
  const auto& n = report.numbers;
  const std::pair<const char*, std::string> rows[] = {
      {"Images", std::to_string(n.images) + ", of which " + std::to_string(n.ood.images) + " scored and " +
                     std::to_string(n.images - n.ood.images) + " failed"},
      {"Out of distribution",
       std::to_string(n.ood.flagged) + " images, " + percent(n.ood.rate) + " (95% bounds " + bounds(n.ood) + ")"},
      {"Expected without drift", percent(plan.alpha) + " (alpha)"},
      {"Limit", report.verdict.condition},
      {"p-values from uniform", number(n.p_ks) + " (Kolmogorov-Smirnov distance)"},
      {"Rule", plan.rule + ", distances to neighbour " + std::to_string(plan.k) +
                   (plan.per_label ? ", p-values within labels" : "")},
      {"Reference", plan.reference.id + ", " + std::to_string(plan.reference.items) + " images, sha256 " +
                        plan.reference.sha256.substr(0, 12)},
      {"Model", plan.reference.model.substr(0, plan.reference.model.find(':') + 13)},
      {"Source", plan.source.root.empty() ? "a list on standard input" : plan.source.root},
      {"Shard", plan.shards == 1 ? "" : std::to_string(plan.shard) + " of " + std::to_string(plan.shards)},
      {"Started", report.times.started},
      {"Finished", report.times.finished},
  };
  std::string html;
  for (const auto& [name, value] : rows) {
    if (!value.empty()) html += "<div><dt>" + std::string{name} + "</dt><dd>" + escape_html(value) + "</dd></div>\n";
  }
  return html;
}

std::string picture(const Thumbnail& thumbnail, const std::string& name) {
  if (thumbnail.data_uri.empty()) return "<span class=\"no-picture\">no picture</span>";
  return "<img src=\"" + thumbnail.data_uri + "\" width=\"" + std::to_string(thumbnail.width) + "\" height=\"" +
         std::to_string(thumbnail.height) + "\" alt=\"" + escape_html(name) + "\">";
}

std::string worst_images(const AuditReport& report, const std::string& reference_images) {
  Thumbnails thumbnails{kThumbnailBytes};
  std::string html;
  for (const auto& row : report.numbers.worst) {
    html += "<article class=\"worst\"><figure class=\"audited\">" +
            picture(thumbnails.of(fs::path{report.plan.source.root} / row.path), row.path) + "<figcaption><b>" +
            escape_html(row.path) + "</b><br>score " + number(row.score) + ", p " + number(row.p_value) +
            ", distance " + number(row.distance) + (row.ood ? "" : "<br>in distribution") +
            "</figcaption></figure><div class=\"nearest\">";
    for (const auto& n : row.neighbours) {
      const auto name = n.uri.empty() ? n.id : n.uri;
      const auto path = reference_images.empty() ? fs::path{n.uri} : fs::path{reference_images} / n.uri;
      html += "<figure>" + picture(thumbnails.of(path), name) + "<figcaption>" + escape_html(name) +
              (n.label.empty() ? "" : "<br>" + escape_html(n.label)) + "<br>distance " + number(n.distance) +
              "</figcaption></figure>";
    }
    html += "</div></article>\n";
  }
  return html.empty() ? "<p>None were kept.</p>" : html;
}

std::string left_out(std::size_t rows) {
  return rows <= kMaxTableRows ? ""
                               : "<p>" + std::to_string(rows - kMaxTableRows) + " more rows are in report.json.</p>";
}

std::string labels_table(const AuditReport& report) {
  auto labels = report.numbers.labels;
  if (labels.empty() || (labels.size() == 1 && labels.front().label.empty()))
    return "<p>The images have no labels.</p>";
  std::ranges::stable_sort(labels, std::greater{}, [](const auto& row) { return row.ood.bounds.lower; });
  std::string html =
      "<div class=\"table\"><table><thead><tr><th scope=\"col\">Label</th><th scope=\"col\">Images</th><th "
      "scope=\"col\">Out of distribution</th>"
      "<th scope=\"col\">Rate</th><th scope=\"col\">95% bounds</th><th scope=\"col\">Median "
      "distance</th></tr></thead><tbody>\n";
  for (const auto& row : std::span{labels}.first(std::min(labels.size(), kMaxTableRows))) {
    html += "<tr><th scope=\"row\">" + escape_html(row.label.empty() ? "(none)" : row.label) + "</th>" +
            figure_cell(std::to_string(row.ood.images)) + figure_cell(std::to_string(row.ood.flagged)) +
            figure_cell(percent(row.ood.rate)) + figure_cell(bounds(row.ood)) +
            figure_cell(number(row.median_distance)) + "</tr>\n";
  }
  return html + "</tbody></table></div>" + left_out(labels.size());
}

std::string failures_table(const AuditReport& report) {
  const auto& failures = report.numbers.failures;
  if (failures.empty()) return "<p>None: every image was scored.</p>";
  std::string html =
      "<div class=\"table\"><table><thead><tr><th scope=\"col\">Kind</th><th scope=\"col\">Images</th><th "
      "scope=\"col\">Reason</th></tr></thead><tbody>\n";
  for (const auto& row : std::span{failures}.first(std::min(failures.size(), kMaxTableRows))) {
    html += "<tr>" + cell(row.status) + figure_cell(std::to_string(row.images)) + cell(row.reason) + "</tr>\n";
  }
  return html + "</tbody></table></div>" + left_out(failures.size());
}

std::string boxes(const AuditReport& report) {
  const auto& n = report.numbers;
  return box_plot({{"reference, each image left out once", "reference", report.plan.reference.items,
                    report.plan.reference.distance},
                   {"audited, in distribution", "inside", n.ood.images - n.ood.flagged, n.distance_in},
                   {"audited, out of distribution", "outside", n.ood.flagged, n.distance_out}},
                  report.plan.reference.distance_threshold);
}

// Puts each {{name}} of the page in its place. What is put in is not looked at again, so no text from outside can name
// a place.
std::string fill(std::string_view page, const std::map<std::string, std::string, std::less<>>& places) {
  std::string out;
  while (!page.empty()) {
    const auto open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = page.find("}}", open);
    out += places.at(std::string{page.substr(open + 2, close - open - 2)});
    page.remove_prefix(close + 2);
  }
  return out;
}

}  // namespace

std::string report_html(const AuditReport& report, const std::string& reference_images) {
  const auto& plan = report.plan;
  const auto& n = report.numbers;
  const auto& verdict = report.verdict;
  const auto colon = verdict.text.find(": ");
  return fill(web::kReportHtml, {{"state", !verdict.sound  ? "unsound"
                                           : verdict.drift ? "drift"
                                                           : "calm"},
                                 {"headline", !verdict.sound && !verdict.drift ? "No verdict"
                                              : verdict.drift                  ? "Drift found"
                                                                               : "No drift found"},
                                 {"sentence", escape_html(verdict.text.substr(colon + 2))},
                                 {"facts", facts(report)},
                                 {"boxes", boxes(report)},
                                 {"scores", score_histogram(plan.reference.histogram, report.score_histogram,
                                                            plan.reference.histogram_low, plan.reference.histogram_high,
                                                            plan.reference.score_threshold)},
                                 {"p_values", p_value_plot(n.p_histogram, plan.alpha)},
                                 {"order", order_plot(n.order, plan.alpha)},
                                 {"worst", worst_images(report, reference_images)},
                                 {"labels", labels_table(report)},
                                 {"failures", failures_table(report)},
                                 {"version", kVersion}});
}

}  // namespace driftd::api
