#include "api/references.hpp"

#include <vector>

#include "api/config.hpp"
#include "api/log.hpp"
#include "api/metrics.hpp"
#include "api/service_options.hpp"
#include "core/error.hpp"
#include "drift/scorer.hpp"

namespace driftd::api {
namespace {

// Bucket borders at the calibration's quantiles: without drift every bucket's share is known in advance.
std::vector<double> score_buckets(const drift::Calibration& calibration, const ScoringConfig& scoring) {
  const auto& sorted = drift::leave_one_out(calibration, drift::rule_of(scoring.rule), scoring.k);
  std::vector<double> borders;
  for (const double q : {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.999}) {
    const auto at = static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1));
    if (borders.empty() || sorted[at] > borders.back()) borders.push_back(sorted[at]);
  }
  return borders;
}

void check_calibration(const drift::Calibration& calibration, const ScoringConfig& scoring) {
  const auto rule = drift::rule_of(scoring.rule);
  (void)drift::threshold(scoring.alpha, calibration, rule, scoring.k);
  if (scoring.per_label) (void)drift::p_value(0, calibration, rule, scoring.k, "");
}

void report_state(const std::string& name, const LiveReference& live, Metrics& metrics) {
  const auto reference = live.current();
  metrics.reference_state(name, reference.items->version(), reference.items->size(), live.collection().changes(),
                          reference.manifest().search.recall, reference.manifest().search.score_error,
                          !live.collection().fault().empty());
  const auto fallback = reference.items->base().index().device_fallback();
  metrics.device_fallback(name, !fallback.empty());
}

}  // namespace

References load_references(const Config& config, const embed::Bundle& bundle, Metrics& metrics,
                           const std::function<void(const std::string& what)>& progress) {
  References references;
  for (const auto& [name, directory] : config.references) {
    const auto what = "loading the reference " + name + " (" + std::to_string(references.size() + 1) + " of " +
                      std::to_string(config.references.size()) + ")";
    progress(what);
    auto options = live_options(config.store, config.pictures);
    options.opening = [&progress, what](double share) {
      if (share < 1) progress(what + ": " + std::to_string(static_cast<int>(100 * share)) + "% of its bytes verified");
    };
    auto& live = references[name];
    live = std::make_unique<LiveReference>(directory, bundle, options, [&live, name = name, &metrics] {
      if (live) report_state(name, *live, metrics);
    });
    const auto reference = live->current();
    if (reference.manifest().name != name) {
      throw Error{Errc::invalid_argument,
                  directory + " holds the reference \"" + reference.manifest().name + "\", not \"" + name + "\""};
    }
    // Fails now, not at the first image, when the reference is too small for the configured alpha or lacks what a
    // setting asks for.
    check_calibration(calibration_for(reference, score_options(config.scoring)), config.scoring);
    metrics.add_reference(name, score_buckets(reference.calibration(), config.scoring));
    report_state(name, *live, metrics);
    if (const auto fallback = reference.items->base().index().device_fallback(); !fallback.empty()) {
      log(LogLevel::warn, "searches run on the CPU", {{"reference", name}, {"reason", fallback}});
    }
    if (!live->collection().fault().empty()) {
      log(LogLevel::error, "files of the reference are damaged; an older version serves, for reading only",
          {{"reference", reference.id()}, {"reason", live->read_only()}});
    } else if (!live->read_only().empty()) {
      log(LogLevel::warn, "the reference is served for reading only",
          {{"reference", name}, {"reason", live->read_only()}});
    }
  }
  return references;
}

LiveReference& reference_named(const References& references, const std::string& name) {
  const auto found = references.find(name);
  if (found == references.end())
    throw Error{Errc::not_found, "there is no such reference; GET /v1/references lists them"};
  return *found->second;
}

LiveReference& writable_reference(const References& references, const std::string& name) {
  auto& live = reference_named(references, name);
  if (live.read_only().empty()) return live;
  throw Error{Errc::conflict, std::string{"this reference is served for reading only: "} + why_read_only(live)};
}

const char* why_read_only(const LiveReference& live) {
  return live.collection().fault().empty()
             ? "another process writes to it, its directory is not writable, or it is a single segment: see the log"
             : "its files are damaged: see the log";
}

std::string name_of_reference(const std::string& id) {
  return id.substr(0, id.rfind('@'));
}

}  // namespace driftd::api
