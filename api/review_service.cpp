#include "api/review_service.hpp"

#include <unistd.h>

#include <algorithm>
#include <random>
#include <span>
#include <utility>
#include <variant>

#include "api/image_body.hpp"
#include "api/log.hpp"
#include "api/request_id.hpp"
#include "api/set_aside.hpp"
#include "api/thumbnail.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace driftd::api {
namespace {

using drift::ReviewItem;
using drift::ReviewSource;
using drift::ReviewState;

constexpr std::size_t kMaxHanded = 64;
constexpr std::size_t kMaxHandedBytes = 32 << 20;
constexpr std::size_t kAnsweredForEachPlace = 10;
constexpr int kQuality = 88;

std::size_t random_places(const ReviewConfig& config) {
  return static_cast<std::size_t>(config.random_share * static_cast<double>(config.max_items));
}

drift::DiverseSet diverse_set(const ReviewConfig& config) {
  const auto places = std::max<std::size_t>(1, config.max_items - random_places(config));
  const auto of_stream = static_cast<std::size_t>(config.stream_share * static_cast<double>(places));
  return {places, std::clamp<std::size_t>(of_stream, 1, places)};
}

// The seed is of no consequence to anyone who could know it: samples need only be uniform.
std::uint64_t seed() {
  return std::random_device{}() ^ (static_cast<std::uint64_t>(std::random_device{}()) << 32);
}

std::size_t bytes_of(const ReviewCandidate& c) {
  return (c.request ? c.request->body.size() : 0) + sizeof(float) * c.vector.size();
}

}  // namespace

ReviewService::ReviewService(ReviewConfig config, bool pictures, const std::filesystem::path& file,
                             const std::string& model, std::size_t max_image_bytes, Metrics& metrics)
    : config_{config},
      pictures_{pictures},
      max_image_bytes_{max_image_bytes},
      metrics_{metrics},
      store_(open_or_set_aside<drift::ReviewStore>(
          file, drift::ReviewStoreOptions{config.max_bytes, kAnsweredForEachPlace * config.max_items})),
      samples_{random_places(config), seed()},
      diverse_{diverse_set(config)} {
  samples_.restore(store_.samples());
  sample_size_ = samples_.size();
  resume(model);
  report();
  worker_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

ReviewService::~ReviewService() = default;

void ReviewService::resume(const std::string& model) {
  std::vector<std::string> gone;
  auto known = store_.items({.limit = INT32_MAX});
  for (auto item = known.rbegin(); item != known.rend(); ++item) {  // the oldest first
    if (item->model != model) {
      if (item->state == ReviewState::waiting) gone.push_back(item->id);
    } else if (item->source == ReviewSource::diverse) {
      diverse_.add(item->id, item->stream, store_.vector(item->id));
      if (item->state != ReviewState::waiting) diverse_.answered(item->id);
    }
  }
  store_.remove(gone);
}

// --- While images are scored ---

ReviewService::Pick ReviewService::pick(const std::string& stream, const std::string& reference, bool ood,
                                        std::int64_t now) {
  if (config_.max_items == 0) return {};
  return {ood && random_places(config_) < config_.max_items, samples_.draw(stream, reference, now)};
}

void ReviewService::offer(const Pick& pick, ReviewCandidate candidate) {
  const auto bytes = bytes_of(candidate);
  {
    const std::scoped_lock lock{hand_over_};
    if (waiting_.size() < kMaxHanded && waiting_bytes_ + bytes <= kMaxHandedBytes) {
      waiting_bytes_ += bytes;
      waiting_.push_back({pick, std::move(candidate)});
      wake_.notify_one();
      return;
    }
  }
  metrics_.review("dropped");
  if (pick.round) samples_.missed(candidate.item.stream);
}

void ReviewService::run(const std::stop_token& stop) {
  name_thread("review");
  lower_thread_priority();  // scoring comes first
  while (true) {
    Handed handed;
    {
      std::unique_lock lock{hand_over_};
      if (!wake_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      handed = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= bytes_of(handed.candidate);
    }
    try {
      keep(handed);
    } catch (const std::exception& error) {
      metrics_.review("failed");
      if (handed.pick.round) samples_.missed(handed.candidate.item.stream);
      log(LogLevel::error, "an image could not be queued for review",
          {{"request_id", handed.candidate.item.request_id}, {"reason", error.what()}});
    }
  }
}

// --- What is kept ---

void ReviewService::keep(Handed& handed) {
  const std::scoped_lock lock{mutex_};
  if (samples_.size() < sample_size_) trim_samples();
  auto item = handed.candidate.item;
  item.id = new_request_id();
  const bool kept = handed.pick.round ? keep_random(handed, item) : keep_diverse(handed, item);
  metrics_.review(kept ? "queued" : "familiar");
  if (kept) report();
}

bool ReviewService::keep_random(const Handed& handed, ReviewItem& item) {
  const auto sample = samples_.sample(item.stream);
  if (!sample || sample->round != *handed.pick.round || samples_.size() == 0) return false;  // of a sample that is over
  item.source = ReviewSource::random;
  item.round = sample->round;
  write(handed, item, make_place(item.stream, item.round, samples_.size() - 1), sample);
  return true;
}

bool ReviewService::keep_diverse(const Handed& handed, ReviewItem& item) {
  const auto offer = diverse_.offer(item.stream, handed.candidate.vector);
  if (!offer.keep) return false;
  item.source = ReviewSource::diverse;
  item.novelty = offer.novelty;
  std::vector<std::string> gone;
  if (!offer.replaces.empty()) gone.push_back(offer.replaces);
  write(handed, item, gone);
  for (const auto& id : gone) diverse_.remove(id);
  diverse_.add(item.id, item.stream, handed.candidate.vector);
  return true;
}

void ReviewService::write(const Handed& handed, ReviewItem& item, const std::vector<std::string>& gone,
                          const std::optional<drift::SampleState>& sample) {
  std::vector<unsigned char> jpeg;
  if (const auto& request = handed.candidate.request; pictures_ && request) {
    const auto body = read_image_body(*request, max_image_bytes_);
    if (const auto* image = std::get_if<ImageBytes>(&body)) {
      auto small = kept_jpeg(image->bytes, static_cast<int>(config_.image_side), kQuality);
      jpeg = std::move(small.jpeg);
      item.width = small.width;
      item.height = small.height;
    }
  }
  item = store_.add(std::move(item), handed.candidate.vector, std::as_bytes(std::span{jpeg}), gone, sample);
}

// Cuts every sample down to what it may have since there are more streams.
void ReviewService::trim_samples() {
  sample_size_ = samples_.size();
  for (const auto& sample : samples_.samples()) store_.remove(make_place(sample.stream, sample.round, sample_size_));
}

// Leaves at most `most` members in a stream's sample. Those that go are returned where they wait; answered ones stay in
// the queue, out of the sample.
std::vector<std::string> ReviewService::make_place(const std::string& stream, std::int64_t round, std::size_t most) {
  std::vector<std::string> gone;
  auto members = store_.members(stream);
  std::erase_if(members, [&](const drift::ReviewMember& member) {
    if (member.round != round && member.state == ReviewState::waiting) gone.push_back(member.id);
    return member.round != round;
  });
  while (members.size() > most) {
    const auto at = members.begin() + static_cast<std::ptrdiff_t>(samples_.random_below(members.size()));
    if (at->state == ReviewState::waiting) {
      gone.push_back(at->id);
    } else if (auto item = store_.item(at->id)) {
      item->round = 0;
      store_.update(*item);
    }
    members.erase(at);
  }
  return gone;
}

void ReviewService::report() {
  const auto counts = store_.counts();
  metrics_.review_queue(counts.waiting, counts.answered, counts.image_bytes);
}

// --- Answers ---

ReviewItem ReviewService::answer(const std::string& id, const ReviewAnswer& answer, std::int64_t now,
                                 const std::function<void(const ReviewItem&, const std::vector<float>&)>& put) {
  const std::scoped_lock lock{mutex_};
  const auto found = store_.item(id);
  if (!found)
    throw Error{Errc::not_found, "there is no such image in the review queue; it may have made room for another one"};
  auto item = *found;
  if (answer.label) item.label = *answer.label;
  item.state = answer.dismiss ? ReviewState::dismissed : answer.accept ? ReviewState::accepted : ReviewState::labelled;
  if (found->state == ReviewState::accepted) {
    if (item.state == ReviewState::accepted && item.label == found->label) return *found;
    throw Error{Errc::conflict,
                "this image is in the reference already; change or remove the item review-" + id + " there"};
  }
  item.truly_ood = answer.dismiss ? std::nullopt : answer.truly_ood;
  if (answer.dismiss) item.label.clear();
  item.answered_ms = now;
  item.who = answer.who;
  item.note = answer.note;
  if (answer.accept) put(item, store_.vector(id));  // first: what is marked as accepted is in the reference
  store_.update(item);
  diverse_.answered(id);
  report();
  return item;
}

void ReviewService::accept(const std::vector<ReviewItem>& items, const std::string& who, std::int64_t now,
                           const std::function<void(const std::vector<Labelled>&)>& put) {
  const std::scoped_lock lock{mutex_};
  std::vector<Labelled> labelled;
  for (const auto& item : items) labelled.emplace_back(item, store_.vector(item.id));
  put(labelled);
  for (auto& [item, vector] : labelled) {
    item.state = ReviewState::accepted;
    item.answered_ms = now;
    if (!who.empty()) item.who = who;
    store_.update(item);
    diverse_.answered(item.id);
  }
  report();
}

std::vector<drift::ReviewEstimate> ReviewService::estimates() const {
  const auto members = store_.items({.source = ReviewSource::random, .limit = INT32_MAX});
  std::vector<drift::ReviewEstimate> all;
  for (const auto& sample : samples_.samples()) all.push_back(drift::estimate(sample, members));
  return all;
}

void ReviewService::save() {
  const auto samples = samples_.samples();
  std::uint64_t counted = 0;
  for (const auto& sample : samples) counted += sample.seen + sample.missed + static_cast<std::uint64_t>(sample.round);
  if (saved_.exchange(counted) != counted) store_.save_samples(samples);
}

}  // namespace driftd::api
