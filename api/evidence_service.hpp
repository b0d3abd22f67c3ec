// Finds out what an alert is about, after it fired: the breakdown of its images (drift/breakdown.hpp) and small
// pictures.
//
// An alert is looked at soon after it fired, and again each time that twice as many images have come, until they fill
// the window of recent embeddings: a new product shows in the first ten images, its share in hundreds. Pictures are of
// the strangest images and of examples of each group, 96 pixels on the longer side, as many as fit into
// alerts.thumbnail_bytes.
//
// Thread-safe. One thread of its own does all the work, with less priority than scoring; raised() and look() only tell
// it. What was recent is in memory: images from before a restart have no breakdown and no picture.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/metrics.hpp"
#include "api/recent_pictures.hpp"
#include "api/references.hpp"
#include "drift/monitor.hpp"
#include "drift/recent_window.hpp"
#include "drift/store.hpp"

namespace driftd::api {

struct EvidenceOptions {
  double alpha = 0.05;              // scoring.alpha
  std::size_t thumbnail_bytes = 0;  // of one alert; 0: no pictures
  std::size_t max_image_bytes = 0;  // http.max_image_bytes
};

class EvidenceService {
 public:
  // Keeps references to all but the options.
  EvidenceService(EvidenceOptions options, const References& references, const drift::RecentWindow& recent,
                  const RecentPictures& pictures, drift::Store& store, Metrics& metrics);
  ~EvidenceService();
  EvidenceService(const EvidenceService&) = delete;
  EvidenceService& operator=(const EvidenceService&) = delete;

  // An alert has come to a new state. For the monitor's on_event, and for firing alerts after its restore().
  void raised(const drift::Alert& alert);
  // Looks at what is new, in the background. To be called now and then: nobody tells of new images.
  void look();

 private:
  struct Open {  // an alert that there is more to find out about
    std::string id;
    std::string stream;
    std::string reference;  // name
    std::uint64_t from = 0;
    std::vector<std::string> strangest;  // request ids
    std::size_t looked_at = 0;           // images
    std::size_t pictures = 0;
    std::size_t picture_bytes = 0;
    bool over = false;
  };
  void run(const std::stop_token& stop);
  void look_at_all(const std::stop_token& stop);
  [[nodiscard]] bool look_at(Open& open);  // false: nothing more is to be found out
  [[nodiscard]] drift::Breakdown break_down(const Open& open,
                                            const std::vector<drift::RecentWindow::Image>& images) const;
  [[nodiscard]] std::vector<drift::Picture> pictures_of(Open& open, const drift::Breakdown& breakdown) const;

  // Constant after construction
  const EvidenceOptions options_;
  const References& references_;

  // Thread-safe by themselves
  const drift::RecentWindow& recent_;
  const RecentPictures& pictures_;
  drift::Store& store_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool look_ = false;                 // guarded by mutex_
  std::map<std::string, Open> open_;  // guarded by mutex_: by alert
  std::jthread worker_;               // last: joined first
};

}  // namespace driftd::api
