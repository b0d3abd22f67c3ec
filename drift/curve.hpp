// What a detector measured over a stream's images: dense where it is new, sparser the further back, so that a few
// points show both a change of this minute and the weeks before it.
//
// A point is kept by its image's number alone: it lives for 24 * 2^z images, z being how often 2 divides the number (at
// most 14). So of the newest 24 images all are there, of the 24 before every second, of the 48 before every fourth, and
// so on, back to 393,216 images. Nothing else decides, so a curve that was saved goes on as if it had never stopped.
//
// Confined to one thread (the Monitor guards it). At most kMost points, 24 bytes each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "drift/moment.hpp"

namespace driftd::drift {

struct CurvePoint {
  Moment at;
  float value = 0;  // in the detector's own units; finite
  float limit = 0;  // at which it fires; may be infinite or NaN: there is none yet
};

class Curve {
 public:
  static constexpr std::size_t kMost = 200;

  // Points come in the order of their images; a second one of the same image replaces the first, a smaller image starts
  // the curve anew. A value that is not finite is left out. Amortized O(kMost / 8).
  void add(Moment at, double value, double limit);
  // From the last point at or before image `first` on.
  [[nodiscard]] std::vector<CurvePoint> since(std::uint64_t first) const;
  [[nodiscard]] const std::vector<CurvePoint>& points() const { return points_; }
  // Goes on from points saved before.
  void resume(std::vector<CurvePoint> points) { points_ = std::move(points); }
  void clear() { points_.clear(); }

 private:
  std::vector<CurvePoint> points_;  // oldest first
};

// What to show of an alert: from as long before the start of the drift as it lasted until the alert, but at least
// `fewest` images before.
[[nodiscard]] std::uint64_t first_shown(Moment started, Moment fired, std::uint64_t fewest);

}  // namespace driftd::drift
