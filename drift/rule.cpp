#include "drift/rule.hpp"

#include "core/alternatives.hpp"
#include "core/error.hpp"

namespace driftd::drift {

Rule rule_of(std::string_view name) {
  for (const auto rule : kRules) {
    if (name == name_of(rule)) return rule;
  }
  throw Error{Errc::invalid_argument, "unknown rule '" + std::string{name.substr(0, 64)} + "': choose " + rule_names()};
}

std::string_view name_of(Rule rule) {
  switch (rule) {
    case Rule::blend:
      return "blend";
    case Rule::knn:
      return "knn";
    case Rule::rmean:
      return "rmean";
    case Rule::d1r3:
      return "d1r3";
    case Rule::mean:
      return "mean";
    case Rule::l1:
      return "l1";
    case Rule::mahalanobis:
      return "mahalanobis";
  }
  return "";
}

std::string rule_names() {
  return alternatives(kRules, [](Rule rule) { return name_of(rule); });
}

bool needs_vectors(Rule rule) {
  return rule == Rule::l1 || rule == Rule::mahalanobis;
}

}  // namespace driftd::drift
