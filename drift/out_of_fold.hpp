// Gaussians that have not seen the row whose distance they measure: a row that a fit has seen is nearer to it than a
// fresh image would be, the more so the fewer rows there are.
//
// The rows fall into five parts, groups as a whole; for each there is a fit to a random 2,048 rows of the others
// (cross-fitting). Immutable. Internal to this library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "drift/calibration.hpp"

namespace driftd::drift {

class OutOfFold {
 public:
  // Keeps a reference to groups (empty: each row stands for itself).
  OutOfFold(std::size_t n, const VectorSource& vectors, const std::vector<std::uint32_t>& groups);

  [[nodiscard]] const Gaussian& all() const { return all_; }  // fitted to rows of every part
  [[nodiscard]] const Gaussian& without(std::size_t row) const { return without_[fold_of(row)]; }

 private:
  static constexpr std::size_t kFolds = 5;
  [[nodiscard]] std::size_t fold_of(std::size_t row) const;

  const std::vector<std::uint32_t>& groups_;
  Gaussian all_;
  std::array<Gaussian, kFolds> without_;
};

}  // namespace driftd::drift
