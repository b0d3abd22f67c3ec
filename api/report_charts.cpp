#include "api/report_charts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "api/utf8.hpp"

namespace driftd::api {
namespace {

// User units; the page scales them.
constexpr double kWidth = 440;
constexpr double kLeft = 42;
constexpr double kRight = 14;
constexpr double kTop = 20;
constexpr double kBottom = 40;

std::string text_of(double value, const char* format = "%.4g") {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string at(double coordinate) {
  return text_of(coordinate, "%.1f");
}

// From values to user units.
struct Scale {
  double from, to;    // values
  double start, end;  // user units
  [[nodiscard]] std::string operator()(double value) const { return at(place(value)); }
  [[nodiscard]] double place(double value) const {
    return start + (std::clamp(value, std::min(from, to), std::max(from, to)) - from) / (to - from) * (end - start);
  }
};

// Round values (1, 2 or 5 times a power of ten), about five of them.
std::vector<double> ticks(double from, double to) {
  const double rough = (to - from) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (step < rough) step = factor * power;
  }
  std::vector<double> result;
  for (double i = std::ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; ++i)
    result.push_back(i * step + 0.0);  // no -0
  return result;
}

std::string line(const std::string& css, const std::string& x1, const std::string& y1, const std::string& x2,
                 const std::string& y2) {
  return "<line class=\"" + css + "\" x1=\"" + x1 + "\" y1=\"" + y1 + "\" x2=\"" + x2 + "\" y2=\"" + y2 + "\"/>";
}

std::string rect(const std::string& css, double x, double y, double width, double height) {
  return "<rect class=\"" + css + "\" x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(std::max(0.0, width)) +
         "\" height=\"" + at(std::max(0.0, height)) + "\"/>";
}

std::string label(const std::string& css, const std::string& x, const std::string& y, const std::string& text) {
  return "<text class=\"" + css + "\" x=\"" + x + "\" y=\"" + y + "\">" + escape_html(text) + "</text>";
}

class Drawing {
 public:
  Drawing(const std::string& title, const std::string& description, double height) : height_{height} {
    svg_ = "<svg role=\"img\" viewBox=\"0 0 " + at(kWidth) + " " + at(height) + "\" aria-label=\"" +
           escape_html(title + ". " + description) + "\"><title>" + escape_html(title) + "</title><desc>" +
           escape_html(description) + "</desc>";
  }

  Drawing& operator+=(const std::string& element) {
    svg_ += element;
    return *this;
  }
  void x_axis(const Scale& x, const std::string& name, const char* format = "%.4g") {
    for (const double tick : ticks(x.from, x.to)) {
      svg_ += line("grid", x(tick), at(kTop), x(tick), at(height_ - kBottom)) +
              label("tick middle", x(tick), at(height_ - kBottom + 14), text_of(tick, format));
    }
    svg_ += label("name middle", at((kLeft + kWidth - kRight) / 2), at(height_ - 6), name);
  }
  void y_axis(const Scale& y, bool percent) {
    for (const double tick : ticks(y.from, y.to)) {
      svg_ +=
          line("grid", at(kLeft), y(tick), at(kWidth - kRight), y(tick)) +
          label("tick end", at(kLeft - 5), at(y.place(tick) + 4), percent ? text_of(100 * tick) + "%" : text_of(tick));
    }
  }
  // A dashed upright line with its name above it.
  void limit(const Scale& x, double value, const std::string& name) {
    const bool right_half = x.place(value) > kWidth / 2;
    svg_ += line("limit", x(value), at(kTop), x(value), at(height_ - kBottom)) +
            label(right_half ? "limit-name end" : "limit-name", x(value), at(kTop - 6), name);
  }
  [[nodiscard]] std::string finish() && { return std::move(svg_) + "</svg>"; }

 private:
  double height_;
  std::string svg_;
};

Scale horizontal(double from, double to) {
  if (!(to > from)) to = from + std::max(1e-9, std::abs(from) * 1e-3);
  return {from, to, kLeft, kWidth - kRight};
}

Scale vertical(double to, double height) {
  return {0, to > 0 ? to : 1, height - kBottom, kTop};
}

std::string draw_box(const Box& box, const Scale& x, double y) {
  constexpr double kHalf = 12;
  const auto& q = box.values;
  const auto end = [&](double value) { return line("whisker", x(value), at(y - 6), x(value), at(y + 6)); };
  const auto dot = [&](double value) {
    return "<circle class=\"dot " + box.css_class + "\" cx=\"" + x(value) + "\" cy=\"" + at(y) + "\" r=\"2.5\"/>";
  };
  return line("whisker", x(q.q05), at(y), x(q.q95), at(y)) + end(q.q05) + end(q.q95) +
         rect("box " + box.css_class, x.place(q.q25), y - kHalf, x.place(q.q75) - x.place(q.q25), 2 * kHalf) +
         line("median", x(q.median), at(y - kHalf), x(q.median), at(y + kHalf)) + dot(q.min) + dot(q.max);
}

double sum(std::span<const std::uint64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}

double largest_share(std::span<const std::uint64_t> counts) {
  return counts.empty() ? 0 : static_cast<double>(*std::ranges::max_element(counts)) / std::max(1.0, sum(counts));
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : clean_utf8(text, 4096)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string box_plot(const std::vector<Box>& boxes, double limit) {
  double low = limit;
  double high = limit;
  std::string description = "Medians:";
  for (const auto& box : boxes) {
    if (box.images == 0) continue;
    low = std::min(low, box.values.min);
    high = std::max(high, box.values.max);
    description += " " + box.name + " " + text_of(box.values.median, "%.3g") + ";";
  }
  const double height = kTop + kBottom + 58 * static_cast<double>(boxes.size());
  Drawing drawing{"Distances to the reference", description + " limit " + text_of(limit, "%.3g"), height};
  const double margin = 0.03 * (high - low);
  const auto x = horizontal(std::max(0.0, low - margin), high + margin);
  drawing.x_axis(x, "distance");
  double y = kTop + 16;
  for (const auto& box : boxes) {
    drawing += label("row-name", at(kLeft), at(y), box.name + " (" + std::to_string(box.images) + ")");
    if (box.images > 0) drawing += draw_box(box, x, y + 20);
    y += 58;
  }
  drawing.limit(x, limit, "limit " + text_of(limit, "%.3g"));
  return std::move(drawing).finish();
}

std::string score_histogram(std::span<const std::uint64_t> reference, std::span<const std::uint64_t> audited,
                            double low, double high, double limit) {
  constexpr double kHeight = 250;
  Drawing drawing{
      "Scores",
      "Histogram of the scores of the reference's own images and of the audited ones; limit " + text_of(limit, "%.3g"),
      kHeight};
  const auto x = horizontal(low, high);
  const auto y = vertical(1.05 * std::max(largest_share(reference), largest_share(audited)), kHeight);
  drawing.x_axis(x, "score (the last bar counts everything above, too)");
  drawing.y_axis(y, true);
  const auto bin = (high - low) / static_cast<double>(std::max<std::size_t>(1, audited.size()));
  for (std::size_t i = 0; i < audited.size(); ++i) {
    const double from = low + bin * static_cast<double>(i);
    const double top = y.place(static_cast<double>(audited[i]) / std::max(1.0, sum(audited)));
    const bool outside = from + bin / 2 >= limit;
    if (audited[i] > 0)
      drawing += rect(outside ? "bar outside" : "bar inside", x.place(from), top,
                      x.place(from + bin) - x.place(from) - 0.5, y.start - top);
  }
  std::string outline = "M" + x(low) + " " + at(y.start);
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double from = low + bin * static_cast<double>(i);
    outline += " V" + y(static_cast<double>(reference[i]) / std::max(1.0, sum(reference))) + " H" + x(from + bin);
  }
  drawing += "<path class=\"outline reference\" d=\"" + outline + " V" + at(y.start) + "\"/>";
  drawing.limit(x, limit, "limit " + text_of(limit, "%.3g"));
  return std::move(drawing).finish();
}

std::string p_value_plot(std::span<const std::uint64_t> histogram, double alpha) {
  constexpr double kHeight = 250;
  const double total = std::max(1.0, sum(histogram));
  const auto x = horizontal(0, 1);
  const auto y = vertical(1, kHeight);
  std::string path = "M" + x(0) + " " + y(0);
  double below = 0;
  double at_alpha = 0;
  for (std::size_t i = 0; i < histogram.size(); ++i) {
    below += static_cast<double>(histogram[i]);
    const double p = static_cast<double>(i + 1) / static_cast<double>(histogram.size());
    if (p <= alpha + 1e-9) at_alpha = below / total;
    path += " L" + x(p) + " " + y(below / total);
  }
  Drawing drawing{"p-values",
                  "Share of the audited images with a p-value up to x; " + text_of(100 * at_alpha, "%.1f") +
                      "% are at or below " + text_of(alpha),
                  kHeight};
  drawing.x_axis(x, "p-value");
  drawing.y_axis(y, true);
  drawing += line("expected", x(0), y(0), x(1), y(1));
  drawing += "<path class=\"curve inside\" d=\"" + path + "\"/>";
  drawing.limit(x, alpha, "alpha " + text_of(alpha));
  return std::move(drawing).finish();
}

std::string order_plot(const std::vector<drift::OrderBin>& bins, double alpha) {
  constexpr double kHeight = 250;
  double images = 0;
  double top = alpha;
  for (const auto& bin : bins) {
    images += static_cast<double>(bin.ood.images);
    top = std::max(top, bin.ood.bounds.upper);
  }
  Drawing drawing{"OOD rate over the order of the images",
                  std::to_string(bins.size()) + " stretches of equal length, with 95% bounds", kHeight};
  const auto x = horizontal(0, std::max(1.0, images));
  const auto y = vertical(std::min(1.0, 1.05 * top), kHeight);
  drawing.x_axis(x, "scored image", "%.0f");
  drawing.y_axis(y, true);
  std::string rates;
  for (const auto& bin : bins) {
    const auto first = static_cast<double>(bin.first);
    const auto last = first + static_cast<double>(bin.ood.images);
    const auto upper = y.place(bin.ood.bounds.upper);
    drawing += rect("band inside", x.place(first), upper, x.place(last) - x.place(first),
                    y.place(bin.ood.bounds.lower) - upper);
    rates += (rates.empty() ? "M" : " L") + x(first) + " " + y(bin.ood.rate) + " H" + x(last);
  }
  if (!rates.empty()) drawing += "<path class=\"curve inside\" d=\"" + rates + "\"/>";
  drawing += line("limit", at(kLeft), y(alpha), at(kWidth - kRight), y(alpha)) +
             label("limit-name end", at(kWidth - kRight), at(kTop - 6),
                   "dashed: " + text_of(100 * alpha) + "% expected without drift");
  return std::move(drawing).finish();
}

}  // namespace driftd::api
