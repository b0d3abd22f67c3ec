// The review queue of the service: picks images while they are scored, keeps them in the background, takes answers.
//
// Thread-safe. offer() never waits for the disk: an image is handed over through a bounded queue and dropped, and
// counted, when that is full. One thread of its own decides what is kept, shrinks pictures and writes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/config.hpp"
#include "api/http.hpp"
#include "api/metrics.hpp"
#include "drift/diverse_set.hpp"
#include "drift/reservoir.hpp"
#include "drift/review_store.hpp"

namespace driftd::api {

// An image that has just been scored.
struct ReviewCandidate {
  drift::ReviewItem item;  // what is known of it; id, source, round and picture are filled in later
  std::vector<float> vector;
  std::shared_ptr<const Request> request;  // its body holds the image; null: a ready vector has no picture
};

// What PATCH /v1/review/{id} asks for: a label, or to dismiss; accept puts the image into the reference, too.
struct ReviewAnswer {
  std::optional<std::string> label;
  std::optional<bool> truly_ood;
  bool dismiss = false;
  bool accept = false;
  std::string who;
  std::string note;
};

class ReviewService {
 public:
  // Opens or creates `file`. Keeps a reference to metrics. model: that embeds; images that wait since another model
  // served are removed, because nothing can be compared with them. Throws what ReviewStore's constructor throws.
  // pictures: whether they are kept.
  ReviewService(ReviewConfig config, bool pictures, const std::filesystem::path& file, const std::string& model,
                std::size_t max_image_bytes, Metrics& metrics);
  ~ReviewService();
  ReviewService(const ReviewService&) = delete;
  ReviewService& operator=(const ReviewService&) = delete;

  // Whether an image is wanted, decided before anything is copied: strange ones are, and those drawn for the stream's
  // random sample. Counts the image in the sample.
  struct Pick {
    bool strange = false;
    std::optional<std::int64_t> round;
    explicit operator bool() const { return strange || round.has_value(); }
  };
  [[nodiscard]] Pick pick(const std::string& stream, const std::string& reference, bool ood, std::int64_t now_ms);
  void offer(const Pick& pick, ReviewCandidate candidate);

  // Records an answer. `put` is called for one that accepts, with the item as it will be and its embedding; what it
  // throws is thrown on, and nothing is recorded. The same answer again changes nothing. Throws Error: not_found,
  // conflict for an item that is in the reference already.
  drift::ReviewItem answer(const std::string& id, const ReviewAnswer& answer, std::int64_t now_ms,
                           const std::function<void(const drift::ReviewItem&, const std::vector<float>&)>& put);

  // Puts labelled images into their reference, all at once, and marks them as accepted; `put` as above.
  using Labelled = std::pair<drift::ReviewItem, std::vector<float>>;
  void accept(const std::vector<drift::ReviewItem>& items, const std::string& who, std::int64_t now_ms,
              const std::function<void(const std::vector<Labelled>&)>& put);

  [[nodiscard]] const drift::ReviewStore& store() const { return store_; }
  [[nodiscard]] bool keeps_pictures() const { return pictures_; }
  [[nodiscard]] std::vector<drift::ReviewEstimate> estimates() const;  // by stream
  void save();  // the counts of the samples, so that they survive a crash

 private:
  struct Handed {
    Pick pick;
    ReviewCandidate candidate;
  };
  void resume(const std::string& model);
  void run(const std::stop_token& stop);
  void keep(Handed& handed);
  [[nodiscard]] bool keep_random(const Handed& handed, drift::ReviewItem& item);
  [[nodiscard]] bool keep_diverse(const Handed& handed, drift::ReviewItem& item);
  void write(const Handed& handed, drift::ReviewItem& item, const std::vector<std::string>& gone,
             const std::optional<drift::SampleState>& sample = std::nullopt);
  void trim_samples();
  std::vector<std::string> make_place(const std::string& stream, std::int64_t round, std::size_t most);
  void report();

  // Constant after construction
  const ReviewConfig config_;
  const bool pictures_;
  const std::size_t max_image_bytes_;

  // Thread-safe by themselves
  Metrics& metrics_;
  drift::ReviewStore store_;
  drift::Reservoirs samples_;
  std::atomic<std::uint64_t> saved_{0};  // what the samples had counted when they were last saved

  std::mutex mutex_;             // held while the queue changes
  drift::DiverseSet diverse_;    // guarded by mutex_
  std::size_t sample_size_ = 0;  // guarded by mutex_: the members that every sample was cut down to

  std::mutex hand_over_;
  std::condition_variable_any wake_;
  std::deque<Handed> waiting_;     // guarded by hand_over_
  std::size_t waiting_bytes_ = 0;  // guarded by hand_over_
  std::jthread worker_;            // last: joined first
};

}  // namespace driftd::api
