#include "drift/report.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

AuditRow ok_row(const std::string& path, double p, double distance, const std::string& label = "cat") {
  return {path, "ok", "", label, 10 * distance, p, p <= 0.05, distance, {{"1", label, "u", distance}}};
}

std::vector<AuditRow> random_rows(std::size_t n, unsigned seed) {
  std::mt19937 random{seed};
  std::uniform_real_distribution<double> uniform{0.001, 1};
  std::vector<AuditRow> rows;
  for (std::size_t i = 0; i < n; ++i) {
    const auto name = std::to_string(i);
    if (i % 13 == 0) {
      rows.push_back({name, i % 2 == 0 ? "undecodable" : "too_large", "reason " + std::to_string(i % 3), ""});
    } else {
      rows.push_back(ok_row(name, std::round(uniform(random) * 200) / 200 + 0.005 * 0.5, uniform(random),
                            "label" + std::to_string(random() % 7)));
      rows.back().p_value = std::min(rows.back().p_value, 1.0);
    }
  }
  return rows;
}

Report report_of(const std::vector<AuditRow>& rows) {
  Audit audit{5};
  for (const auto& row : rows) audit.add(row);
  return audit.report();
}

// Everything a report says, as text, so that two reports can be compared.
std::string text_of(const Report& r) {
  std::ostringstream out;
  const auto rate = [&](const Rate& x) { out << x.images << ' ' << x.flagged << ' ' << x.bounds.lower << '\n'; };
  out << r.images << ' ' << r.p_ks << ' ' << r.score.median << ' ' << r.distance.q95 << ' ' << r.distance.max << '\n';
  rate(r.ood);
  for (const auto& f : r.failures) out << f.status << f.reason << f.images << '\n';
  for (const auto& l : r.labels) rate(l.ood), out << l.label << l.median_distance << '\n';
  for (const auto& bin : r.order) rate(bin.ood), out << bin.first << '\n';
  for (const auto bin : r.p_histogram) out << bin << ' ';
  for (const auto bin : r.distance_bins) out << bin << ' ';
  for (const auto& row : r.worst) out << row.path << row.neighbours.size() << '\n';
  return out.str();
}

}  // namespace

TEST_CASE("a report counts images, failures by kind, and the OOD rate among those scored") {
  Audit audit;
  audit.add(ok_row("a", 0.01, 2));
  audit.add(ok_row("b", 0.5, 1));
  audit.add({"c", "undecodable", "truncated"});
  audit.add({"d", "undecodable", "truncated"});
  audit.add({"e", "too_large", "over 100 MB"});
  const auto report = audit.report();
  CHECK(report.images == 5);
  CHECK(report.ood.images == 2);
  CHECK(report.ood.flagged == 1);
  CHECK(report.ood.bounds.upper == Approx(wilson(1, 2).upper));
  REQUIRE(report.failures.size() == 2);
  CHECK(report.failures[1].status == "undecodable");
  CHECK(report.failures[1].images == 2);
}

TEST_CASE("quantiles are exact, labels have their own rates and medians") {
  Audit audit;
  for (int i = 0; i <= 100; ++i)
    audit.add(ok_row(std::to_string(i), i < 10 ? 0.01 : 0.5, i, i % 2 == 0 ? "even" : "odd"));
  const auto report = audit.report();
  CHECK(report.distance.q05 == 5);
  CHECK(report.distance.median == 50);
  CHECK(report.score.max == 1000);
  REQUIRE(report.labels.size() == 2);
  CHECK(report.labels[0].label == "even");
  CHECK(report.labels[0].ood.flagged == 5);
  CHECK(report.labels[1].median_distance == 50);
}

TEST_CASE("the worst images are kept with their neighbours, strangest first") {
  Audit audit{2};
  audit.add(ok_row("a", 0.02, 1));
  audit.add(ok_row("b", 0.01, 1));
  audit.add(ok_row("c", 0.01, 2));
  audit.add(ok_row("d", 0.9, 9));
  const auto worst = audit.report().worst;
  REQUIRE(worst.size() == 2);
  CHECK(worst[0].path == "c");
  CHECK(worst[1].path == "b");
  CHECK(worst[0].neighbours.size() == 1);
}

TEST_CASE("rank p-values on the border of two bins fall into the lower one") {
  Audit audit;
  for (int i = 1; i <= 100; ++i) audit.add(ok_row(std::to_string(i), i / 100.0, 1));
  const auto report = audit.report();
  CHECK(report.p_histogram == std::vector<std::uint64_t>(20, 5));
  CHECK(report.p_ks == Approx(0.01).margin(1e-6));
}

TEST_CASE("the distance from uniform is that of the largest gap") {
  Audit audit;
  for (int i = 1; i <= 100; ++i) audit.add(ok_row(std::to_string(i), i / 200.0, 1));
  CHECK(audit.report().p_ks == Approx(0.5).margin(1e-6));
}

TEST_CASE("the order bins cover every scored image once") {
  const auto n = GENERATE(std::size_t{1}, 7U, 50U, 51U, 1234U);
  const auto report = report_of(random_rows(n, 1));
  std::uint64_t covered = 0;
  for (const auto& bin : report.order) {
    CHECK(bin.first == covered);
    covered += bin.ood.images;
  }
  CHECK(covered == report.ood.images);
}

TEST_CASE("merged shards report the very numbers of one run") {
  const auto cut = GENERATE(std::size_t{0}, 1U, 300U, 999U, 1000U);
  const auto rows = random_rows(1000, 4);
  Audit first{5};
  Audit second{5};
  for (std::size_t i = 0; i < rows.size(); ++i) (i < cut ? first : second).add(rows[i]);
  first.merge(second);
  CHECK(text_of(first.report()) == text_of(report_of(rows)));
}

TEST_CASE("an audit of nothing has a report") {
  const auto report = Audit{}.report();
  CHECK(report.images == 0);
  CHECK(report.ood.bounds.upper == 1);
  CHECK(report.order.empty());
  CHECK(report.p_ks == 0);
}

TEST_CASE("labels beyond the limit are counted together") {
  Audit audit;
  for (int i = 0; i < 65'600; ++i) audit.add(ok_row("p", 0.5, 1, "l" + std::to_string(i)));
  const auto labels = audit.report().labels;
  REQUIRE(labels.size() == 65'537);
  CHECK(labels[0].label == "(other)");
  CHECK(labels[0].ood.images == 64);
}

TEST_CASE("rows and options that make no sense are refused") {
  Audit audit;
  CHECK(test::code_of([&] { return audit.add(ok_row("a", std::nan(""), 1)), 0; }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return audit.add(ok_row("a", 0.5, INFINITY)), 0; }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return audit.report({.order_bins = 0}); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return Audit{1001}; }) == Errc::invalid_argument);
}

TEST_CASE("distances are told apart by the decision, and scores beyond the range fall into the outer bins") {
  Audit audit;
  for (const double d : {0.1, 0.2, 0.3}) audit.add(ok_row("in", 0.5, d));
  for (const double d : {0.8, 0.9}) audit.add(ok_row("out", 0.01, d));
  const auto report = audit.report();
  CHECK(report.distance_in.median == Approx(0.2));
  CHECK(report.distance_in.max == Approx(0.3));
  CHECK(report.distance_out.min == Approx(0.8));
  CHECK(audit.score_histogram(2, 4, 2) == std::vector<std::uint64_t>{3, 2});
}
