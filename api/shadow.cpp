#include "api/shadow.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "drift/coverage.hpp"
#include "drift/silence.hpp"

namespace driftd::api {
namespace {

using Images = std::vector<drift::RecentWindow::Image>;

Matrix matrix_of(const Images& images, std::size_t dimension) {
  Matrix rows{images.size(), dimension};
  for (std::size_t i = 0; i < images.size(); ++i) std::ranges::copy(*images[i].vector, rows.row(i).begin());
  return rows;
}

// Whether the candidate holds the very image, where the live version does not.
std::vector<bool> held_by(const Reference& candidate, const Reference& live, const Images& images, std::size_t pools) {
  const auto copy = drift::default_duplicate_distance(pools);
  const auto rows = matrix_of(images, live.items->dimension());
  const auto near_candidate = candidate.items->search(rows, 1);
  const auto near_live = live.items->search(rows, 1);
  std::vector<bool> held;
  for (std::size_t i = 0; i < images.size(); ++i)
    held.push_back(near_candidate.distances[i] <= copy && near_live.distances[i] > copy);
  return held;
}

void add(ShadowStream& total, const ShadowStream& stream) {
  total.images += stream.images;
  total.excluded += stream.excluded;
  total.live.ood += stream.live.ood;
  total.candidate.ood += stream.candidate.ood;
  total.to_ood += stream.to_ood;
  total.to_in += stream.to_in;
}

}  // namespace

ShadowReport Shadow::replay(const std::string& name, const ShadowCandidate& wanted,
                            const std::vector<std::string>& streams) {
  const std::unique_lock lock{one_at_a_time_, std::try_to_lock};
  if (!lock) throw Error{Errc::overloaded, "another version is being tried; ask again when it is done"};
  const auto& of = reference_named(references_, name);
  const auto live = of.current();
  const auto candidate = wanted.version ? Reference{of.collection().load(*wanted.version)}
                                        : reference_named(references_, wanted.reference).current();
  ShadowReport report{live.id(), candidate.id(), options_.alpha, {}, {}};
  for (const auto& stream : streams.empty() ? recent_.streams(name) : streams) {
    report.streams.push_back(replay_stream(stream, live, candidate));
    if (report.streams.back().images + report.streams.back().excluded == 0) {
      report.streams.pop_back();
    } else {
      add(report.total, report.streams.back());
    }
  }
  if (report.streams.empty()) {
    throw Error{Errc::not_found,
                recent_.window() == 0
                    ? "no recent embeddings are kept: shadow.window is 0"
                    : "no image of these streams was scored against this reference since the service began"};
  }
  report.total.live.reference = report.live;
  report.total.candidate.reference = report.candidate;
  return report;
}

ShadowStream Shadow::replay_stream(const std::string& stream, const Reference& live, const Reference& candidate) const {
  auto images = recent_.images(stream, live.manifest().name);
  std::erase_if(images, [&](const auto& image) { return image.vector->size() != live.items->dimension(); });
  ShadowStream result{.stream = stream};
  result.live.reference = live.id();
  result.candidate.reference = candidate.id();
  if (images.empty()) return result;
  const auto held = held_by(candidate, live, images, pools_);
  Images fresh;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!held[i]) fresh.push_back(std::move(images[i]));
  }
  result.excluded = held.size() - fresh.size();
  result.images = fresh.size();
  if (fresh.empty()) return result;
  const auto before = scores_of(live, fresh);
  const auto after = scores_of(candidate, fresh);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    result.to_ood += !before[i].ood && after[i].ood ? 1 : 0;
    result.to_in += before[i].ood && !after[i].ood ? 1 : 0;
  }
  result.live = follow(stream, live, fresh, before);
  result.candidate = follow(stream, candidate, fresh, after);
  return result;
}

std::vector<Score> Shadow::scores_of(const Reference& reference, const Images& images) const {
  const bool labels = std::ranges::any_of(images, [](const auto& image) { return !image.label.empty(); });
  if (options_.among == Among::all || !labels)
    return score(reference, matrix_of(images, reference.items->dimension()), options_);
  std::vector<Score> scores;
  for (const auto& image : images) {
    auto options = options_;
    options.label = image.label;
    scores.push_back(score(reference, {1, image.vector->size(), image.vector->data()}, options).front());
  }
  return scores;
}

// The images as the stream's monitor would have seen them, had it begun with them.
ShadowSide Shadow::follow(const std::string& stream, const Reference& reference, const Images& images,
                          const std::vector<Score>& scores) const {
  drift::Monitor monitor{monitor_, {}};
  const auto& normal = reference.normal();
  const auto properties = (normal.watched ? normal.watched->size() : 0) - normal.components.count;
  const drift::ReferenceVersion version{reference.manifest().id(),
                                        drift::independent_images(calibration_for(reference, options_), options_.alpha),
                                        options_.alpha, normal.watched, normal.windows};
  ShadowSide side{reference.id(), 0, {}};
  for (std::size_t i = 0; i < images.size(); ++i) {
    drift::Result result{
        .score = scores[i].score, .p_value = scores[i].p_value, .ood = scores[i].ood, .distance = scores[i].distance};
    result.watched = watched_values(reference, *images[i].vector, {});
    if (images[i].properties.size() == properties)
      result.watched.insert(result.watched.end(), images[i].properties.begin(), images[i].properties.end());
    monitor.observe(stream, version, std::move(result), images[i].at_ms);
    side.ood += scores[i].ood ? 1 : 0;
  }
  const auto alerts = monitor.alerts();
  const auto fired = [&](std::string_view rule) {
    return std::ranges::any_of(alerts, [&](const auto& alert) { return alert.rule == rule; });
  };
  const auto summary = monitor.stream(stream);
  for (const auto& [name, reading, pending, alert] : summary->detectors) {
    if (std::isfinite(reading.limit)) side.verdicts.push_back({name, fired(name), reading.value, reading.limit});
  }
  return side;
}

}  // namespace driftd::api
