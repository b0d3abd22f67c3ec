// What one calibration promises: how far the rate of false alarms that its user gets may lie from alpha.
//
// Alpha is the rate on average over references. One reference has a rate of its own, which stays as long as its
// calibration does: with m calibration images and c = floor(alpha (m + 1)) it is Beta(c, m + 1 - c) distributed (Vovk,
// "Conditional validity of inductive conformal predictors", ACML 2012). That is exact for images held out of the index,
// and near for leave-one-out scores, which hang together a little.
//
// Thread-safe: pure functions. Throws Error invalid_argument on numbers outside the stated ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "drift/calibration.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {

// Of the rate of false alarms: its mean over references, and the interval that holds it for 95 of 100 of them.
struct Coverage {
  double expected = 0;
  Interval interval;
};

// 0 < alpha < 1; 0 for an alpha that no p-value reaches.
[[nodiscard]] Coverage coverage_of(const Calibration& calibration, double alpha);

// Calibration images without which no p-value is as small as alpha: 1 / alpha - 1, rounded up.
[[nodiscard]] std::size_t images_needed(double alpha);

// Independent calibration images with which 95 of 100 references have their rate of false alarms within `margin` of
// alpha: 1.96^2 alpha (1 - alpha) / margin^2. 0 < margin < 1.
[[nodiscard]] std::size_t images_within(double alpha, double margin);

// What the statistics of a stream may count on: the independent images, but as many as alpha needs.
[[nodiscard]] std::size_t independent_images(const Calibration& calibration, double alpha);

// How many independent values these are worth that come in groups: n / (1 + (m - 1) r), with r the correlation of the
// ranks of two values of a group (one-way analysis of variance, at least 0) and m the size of the group of a typical
// value: the design effect of cluster sampling (Kish, "Survey sampling", 1965). As many groups as values give n.
[[nodiscard]] double effective_size(std::span<const double> values, std::span<const std::uint32_t> groups);

}  // namespace driftd::drift
