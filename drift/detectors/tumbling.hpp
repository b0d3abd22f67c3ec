// Rules that judge windows which follow one another and share no image, each by a test at the level (images of the
// window) / run_length: so one false alarm is expected in run_length images, whatever ties windows to the reference or
// to one another. A window that drifts alarms with its last image: the delay is at least what is left of the window
// when the drift begins.
//
// The condition holds from the end of a window that was over its limit to the end of one that was not.
#pragma once

#include <cstdint>

#include "drift/detectors/detector.hpp"

namespace driftd::drift {

class Tumbling : public Detector {
 public:
  Condition step(const Seen& seen, bool learn) final;
  [[nodiscard]] Reading reading() const final { return {value_, limit_, {}, moved_}; }
  void describe(Alert& alert, const Seen& seen) const override;
  void clear() final;
  [[nodiscard]] DetectorState state() const final;
  void resume(const DetectorState& state) final;

 protected:
  // What the last window was found to be.
  struct Verdict {
    double value = 0;
    double limit = 1;
    std::vector<Shift> moved;
  };

  explicit Tumbling(std::size_t run_length) : run_length_{run_length} {}
  // Of the window under way: with which probability it may be over its limit without drift.
  [[nodiscard]] double significance() const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Moment begun() const { return begun_; }

  // Whether the reference has what the rule compares with; without it nothing is counted.
  [[nodiscard]] virtual bool knows(const Seen& seen) const = 0;
  // Whether the window ended before this image, or with it.
  [[nodiscard]] virtual bool ends_before(const Seen& seen) const = 0;
  [[nodiscard]] virtual bool ends_with(const Seen& seen) const = 0;
  // The sums that a window is made of; add() puts one image into them.
  virtual void add(const Seen& seen, std::vector<double>& sums) = 0;
  // Of a whole window. A window too small to judge has an infinite limit.
  [[nodiscard]] virtual Verdict judge(const Seen& seen, const std::vector<double>& sums) const = 0;

 private:
  void close(const Seen& seen);

  std::size_t run_length_;  // constant after construction

  std::size_t size_ = 0;  // images of the window under way
  Moment begun_;          // its first image
  std::vector<double> sums_;
  double value_ = 0;  // of the last whole window
  double limit_ = std::numeric_limits<double>::quiet_NaN();
  Moment last_begun_;
  std::vector<Shift> moved_;
};

}  // namespace driftd::drift
