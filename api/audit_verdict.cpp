#include "api/audit_verdict.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/error.hpp"

namespace driftd::api {
namespace {

using Comparison = Condition::Comparison;

double failed_share(const drift::Report& r) {
  return r.images == 0 ? 0 : static_cast<double>(r.images - r.ood.images) / static_cast<double>(r.images);
}

struct Quantity {
  std::string_view name;
  std::string_view meaning;
  double (*value)(const drift::Report&);
};

constexpr std::array kQuantities{
    Quantity{"ood_rate", "share of the scored images that are out of distribution",
             [](const drift::Report& r) { return r.ood.rate; }},
    Quantity{"ood_rate.lower", "lower end of its 95% interval: above the limit means surely above",
             [](const drift::Report& r) { return r.ood.bounds.lower; }},
    Quantity{"ood_rate.upper", "upper end of its 95% interval",
             [](const drift::Report& r) { return r.ood.bounds.upper; }},
    Quantity{"failed_share", "share of all images that could not be scored", failed_share},
    Quantity{"ks", "Kolmogorov-Smirnov distance of the p-values from uniform",
             [](const drift::Report& r) { return r.p_ks; }},
};

struct Sign {
  std::string_view text;
  Comparison comparison;
};

constexpr std::array kSigns{Sign{">=", Comparison::greater_equal}, Sign{"<=", Comparison::less_equal},
                            Sign{">", Comparison::greater}, Sign{"<", Comparison::less}};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

const Quantity* find_quantity(std::string_view name) {
  for (const auto& quantity : kQuantities) {
    if (quantity.name == name) return &quantity;
  }
  return nullptr;
}

bool holds(double value, Comparison comparison, double limit) {
  switch (comparison) {
    case Comparison::greater:
      return value > limit;
    case Comparison::greater_equal:
      return value >= limit;
    case Comparison::less:
      return value < limit;
    case Comparison::less_equal:
      return value <= limit;
  }
  return false;
}

std::string rate_sentence(const drift::Report& r) {
  auto text = percent(r.ood.rate) + " of " + std::to_string(r.ood.images) + " images out of distribution (95% bounds " +
              percent(r.ood.bounds.lower) + " to " + percent(r.ood.bounds.upper) + ")";
  const auto failed = r.images - r.ood.images;
  if (failed > 0) text += ", " + std::to_string(failed) + " more could not be scored";
  return text;
}

}  // namespace

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f%%", 100 * share);
  return text.data();
}

std::string condition_help() {
  std::string help;
  for (const auto& quantity : kQuantities) {
    std::string name{quantity.name};
    name.resize(16, ' ');
    help += "  " + name + std::string{quantity.meaning} + "\n";
  }
  return help;
}

Condition parse_condition(std::string_view text) {
  const auto refuse = [&] {
    return Error{Errc::invalid_argument, "cannot read the condition '" + std::string{text.substr(0, 80)} +
                                             "': write NAME > NUMBER (or >=, <, <=), such as '" + kDefaultCondition +
                                             "', or never. Names:\n" + condition_help()};
  };
  const auto trimmed = trim(text);
  if (trimmed == "never") return {};
  const auto at = trimmed.find_first_of("<>");
  if (at == std::string_view::npos) throw refuse();
  for (const auto& sign : kSigns) {
    if (!trimmed.substr(at).starts_with(sign.text)) continue;
    const auto name = trim(trimmed.substr(0, at));
    const auto number = trim(trimmed.substr(at + sign.text.size()));
    double limit = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), limit);
    if (find_quantity(name) == nullptr || error != std::errc{} || end != number.data() + number.size() ||
        !std::isfinite(limit))
      break;
    return {std::string{name} + " " + std::string{sign.text} + " " + std::string{number}, std::string{name},
            sign.comparison, limit};
  }
  throw refuse();
}

Verdict decide(const Condition& condition, const drift::Report& report) {
  Verdict verdict;
  verdict.condition = condition.text;
  const auto* quantity = find_quantity(condition.name);
  const double value = quantity == nullptr ? 0 : quantity->value(report);
  verdict.drift = quantity != nullptr && holds(value, condition.comparison, condition.limit);
  if (report.images == 0) {  // a shard of a list that is shorter than the number of shards
    verdict.drift = false;
    verdict.text = "no drift: this shard has no images";
    return verdict;
  }
  if (report.ood.images == 0) {
    // No bound says anything about no images, but a limit on failures may.
    verdict.sound = false;
    verdict.drift = verdict.drift && condition.name == "failed_share";
    verdict.text = std::string{verdict.drift ? "drift: " : "no verdict: "} + "none of " +
                   std::to_string(report.images) + " images could be scored";
    return verdict;
  }
  verdict.text = (verdict.drift ? "drift: " : "no drift: ") + rate_sentence(report);
  if (quantity == nullptr) {
    verdict.text += "; no limit was set";
    return verdict;
  }
  std::array<char, 32> number{};
  std::snprintf(number.data(), number.size(), "%.4g", value);
  verdict.text +=
      "; " + condition.name + " is " + number.data() + ", limit " + condition.text.substr(condition.name.size() + 1);
  return verdict;
}

}  // namespace driftd::api
