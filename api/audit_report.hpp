// What an audit found, as plain data, and its JSON: report.json.
//
// Thread-safe: values and pure functions, but for make_report(), which reads images.csv.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "api/audit_plan.hpp"
#include "api/audit_verdict.hpp"
#include "drift/report.hpp"

namespace driftd::api {

// When and how fast: the only part of a report that two runs over the same images do not share.
struct AuditTimes {
  std::string started;
  std::string finished;
  double seconds = 0;        // of the process that finished it
  std::uint64_t images = 0;  // that this process embedded; fewer than all after --resume, none after a merge
};

struct AuditReport {
  AuditPlan plan;
  drift::Report numbers;
  std::map<std::string, std::uint64_t> statuses;  // "ok" among them
  std::vector<std::uint64_t> score_histogram;     // the bins of plan.reference.histogram
  Verdict verdict;
  AuditTimes times;
};

// Sums up images.csv in one pass; 16 bytes an image and `evidence` rows are kept in memory. Throws Error: what
// read_audit_rows() throws; corrupt when the file has another number of rows than the plan's shard has images.
[[nodiscard]] AuditReport make_report(const AuditPlan& plan, const std::filesystem::path& images_csv,
                                      std::size_t evidence, const Condition& fail_on);

// Each key of the top level on a line of its own.
[[nodiscard]] std::string to_json(const AuditReport& report);

// Prometheus text for node_exporter's textfile collector. `now_s`: seconds since 1970.
[[nodiscard]] std::string to_prometheus(const AuditReport& report, std::int64_t now_s);

}  // namespace driftd::api
