// What the images of an alert have in common: which training images they are nearest to, how they differ in simple
// properties, and which of them look alike.
//
// It is about the strange images, where there are more of them than chance explains (at least three, and the lower 95%
// bound of their share above alpha). Else the drift is not in single images, and it is about all of them.
//
// Thread-safe: a plain value and a pure function, which reads the newest 300 images that it is about for the groups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "drift/evidence.hpp"
#include "drift/moment.hpp"
#include "drift/profile.hpp"
#include "drift/recent_window.hpp"

namespace driftd::drift {

struct LabelShare {
  std::string label;  // of the nearest training image
  std::size_t images = 0;
  double share = 0;     // of the images
  double expected = 0;  // of the reference's images
};

struct PropertyShift {
  std::string name;  // "brightness", ...
  double median = 0;
  double reference = 0;  // its median there
  double rank = 0.5;     // chance that an image has a larger value than one of the reference
  double p_value = 1;    // two-sided: that chance alone explains it; not corrected for the number of properties
};

struct LookAlikeImage {
  std::string request_id;
  std::uint64_t image = 0;  // its ordinal in the stream
};

struct LookAlikes {
  std::size_t images = 0;
  std::string nearest_label;  // that most of them are nearest to; may be empty
  std::size_t of_label = 0;   // how many are
  Moment first;
  Moment last;
  std::vector<LookAlikeImage> examples;  // most typical first
  std::vector<NearImage> neighbours;     // of the first example; break_down() leaves them empty
};

struct Breakdown {
  std::uint64_t from = 0;                 // the first image looked at
  Moment until;                           // the last one
  std::size_t images = 0;                 // looked at
  std::size_t strange = 0;                // among them
  bool of_strange = false;                // the rest is about the strange ones; false: about all
  std::vector<LabelShare> labels;         // most images first; empty where the reference has no labels
  std::vector<PropertyShift> properties;  // the furthest from the reference first
  std::vector<LookAlikes> groups;         // the largest first
};

inline constexpr std::size_t kMostLabels = 10;
inline constexpr std::size_t kExamples = 3;

struct Expected {  // of the reference
  double alpha = 0.05;
  std::map<std::string, double> label_shares;
  const Profile& profile;
};

// images: of one stream and reference, oldest first, embeddings of one dimension. Cost: see look_alikes().
[[nodiscard]] Breakdown break_down(std::span<const RecentWindow::Image> images, const Expected& expected);

}  // namespace driftd::drift
