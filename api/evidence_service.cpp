#include "api/evidence_service.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "api/image_body.hpp"
#include "api/log.hpp"
#include "api/thumbnail.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"
#include "drift/detectors/kinds.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kNeighboursShown = 3;
constexpr std::size_t kMostPictures = 64;  // of one alert

// The first image that an alert is about: where the drift began, or, with rules that do not tell, the first of the
// window.
std::uint64_t first_of(const drift::Alert& alert) {
  const auto* kind = drift::detector_kind(alert.rule);
  const bool of_window = kind != nullptr && !kind->has_run_length;
  if (!of_window) return alert.started.image;
  return alert.fired.image > alert.window ? alert.fired.image - alert.window + 1 : 1;
}

std::map<std::string, double> label_shares(const index::Segment& items) {
  std::map<std::string, double> shares;
  for (const auto& [label, rows] : items.labels())
    shares[label] = static_cast<double>(rows.size()) / static_cast<double>(items.size());
  return shares;
}

// In the order of their worth.
std::vector<std::string> to_be_shown(const std::vector<std::string>& strangest, const drift::Breakdown& breakdown) {
  auto ids = strangest;
  for (std::size_t i = 0; i < drift::kExamples; ++i) {
    for (const auto& group : breakdown.groups) {
      if (i < group.examples.size()) ids.push_back(group.examples[i].request_id);
    }
  }
  return ids;
}

// Of the image in a request's body; none for one that holds no image, or no sound one.
SmallJpeg thumbnail_of(const Request& request, std::size_t max_image_bytes) {
  try {
    const auto body = read_image_body(request, max_image_bytes);
    if (const auto* image = std::get_if<ImageBytes>(&body))
      return small_jpeg(image->bytes, kThumbnailSide, kThumbnailQuality);
  } catch (const Error&) {
    // It was scored, so this is rare; an alert with a picture less is better than none.
  }
  return {};
}

}  // namespace

EvidenceService::EvidenceService(EvidenceOptions options, const References& references,
                                 const drift::RecentWindow& recent, const RecentPictures& pictures, drift::Store& store,
                                 Metrics& metrics)
    : options_{options},
      references_{references},
      recent_{recent},
      pictures_{pictures},
      store_{store},
      metrics_{metrics} {
  worker_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

EvidenceService::~EvidenceService() = default;

void EvidenceService::raised(const drift::Alert& alert) {
  const std::scoped_lock lock{mutex_};
  if (alert.state != drift::AlertState::firing) {
    if (const auto found = open_.find(alert.id); found != open_.end()) found->second.over = true;
    return;
  }
  Open open{.id = alert.id,
            .stream = alert.stream,
            .reference = name_of_reference(alert.reference),
            .from = first_of(alert),
            .strangest = {}};
  for (const auto& image : alert.evidence) open.strangest.push_back(image.request_id);
  open_.emplace(alert.id, std::move(open));
}

void EvidenceService::look() {
  const std::scoped_lock lock{mutex_};
  look_ = true;
  wake_.notify_all();
}

void EvidenceService::run(const std::stop_token& stop) {
  name_thread("evidence");
  lower_thread_priority();  // scoring comes first
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock{mutex_};
      if (!wake_.wait(lock, stop, [this] { return look_; })) return;
      look_ = false;
    }
    look_at_all(stop);
  }
}

void EvidenceService::look_at_all(const std::stop_token& stop) {
  std::vector<Open> all;
  {
    const std::scoped_lock lock{mutex_};
    for (const auto& [id, open] : open_) all.push_back(open);
  }
  for (auto& open : all) {
    if (stop.stop_requested()) return;
    bool more = false;
    try {
      more = look_at(open);
    } catch (const std::exception& error) {
      metrics_.evidence("failed");
      log(LogLevel::error, "what the images of an alert have in common could not be found out",
          {{"alert", open.id}, {"reason", error.what()}});
    }
    const std::scoped_lock lock{mutex_};
    auto& known = open_.at(open.id);  // only this thread removes
    const bool over = known.over;
    known = open;
    known.over = over;
    if (!more) open_.erase(open.id);
  }
}

bool EvidenceService::look_at(Open& open) {
  const auto come = recent_.count_since(open.stream, open.reference, open.from);
  const bool due = come >= std::max<std::size_t>(1, 2 * open.looked_at) && !(open.over && open.looked_at > 0);
  if (!due) return !open.over && 2 * open.looked_at <= recent_.window();
  if (open.looked_at == 0 && store_.breakdown(open.id)) return false;  // found out before a restart
  auto images = recent_.images(open.stream, open.reference);
  if (images.empty()) return true;  // they made room for other streams' meanwhile
  const auto dimension = images.back().vector->size();
  std::erase_if(images,
                [&](const auto& image) { return image.image < open.from || image.vector->size() != dimension; });
  const auto breakdown = break_down(open, images);
  const auto added = pictures_of(open, breakdown);
  if (!store_.save_evidence(open.id, breakdown, added)) return false;
  metrics_.evidence("made");
  open.looked_at = come;
  return !open.over && 2 * open.looked_at <= recent_.window();
}

drift::Breakdown EvidenceService::break_down(const Open& open,
                                             const std::vector<drift::RecentWindow::Image>& images) const {
  const auto reference = reference_named(references_, open.reference).current();
  auto breakdown =
      drift::break_down(images, {options_.alpha, label_shares(reference.items->base()), reference.normal().profile});
  for (auto& group : breakdown.groups) {
    const auto example = std::ranges::find(images, group.examples.front().image, &drift::RecentWindow::Image::image);
    if (example->vector->size() != reference.items->dimension()) continue;
    for (const auto& near : nearest(reference, *example->vector, kNeighboursShown, {})) {
      group.neighbours.push_back({near.id, near.label, near.uri, near.distance});
    }
  }
  return breakdown;
}

std::vector<drift::Picture> EvidenceService::pictures_of(Open& open, const drift::Breakdown& breakdown) const {
  std::vector<std::string> have;
  for (const auto& picture : store_.pictures(open.id)) have.push_back(picture.request_id);
  std::vector<drift::Picture> added;
  for (const auto& id : to_be_shown(open.strangest, breakdown)) {
    if (have.size() >= kMostPictures || std::ranges::find(have, id) != have.end()) continue;
    const auto request = pictures_.find(open.stream, id);
    if (request == nullptr) continue;
    const auto thumbnail = thumbnail_of(*request, options_.max_image_bytes);
    if (thumbnail.jpeg.empty() || open.picture_bytes + thumbnail.jpeg.size() > options_.thumbnail_bytes) continue;
    open.picture_bytes += thumbnail.jpeg.size();
    const auto bytes = std::as_bytes(std::span{thumbnail.jpeg});
    added.push_back({have.size(), id, thumbnail.width, thumbnail.height, {bytes.begin(), bytes.end()}});
    have.push_back(id);
  }
  return added;
}

}  // namespace driftd::api
