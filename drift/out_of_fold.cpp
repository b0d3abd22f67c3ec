#include "drift/out_of_fold.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <random>

namespace driftd::drift {
namespace {

constexpr std::size_t kSample = 2048;

// A few multiplications and shifts that spread whole numbers evenly (the finaliser of SplitMix64: Steele et al., 2014).
std::uint64_t scatter(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

Gaussian fit(const std::vector<std::int64_t>& rows, const VectorSource& vectors) {
  std::vector<std::int64_t> chosen;
  std::ranges::sample(rows, std::back_inserter(chosen), kSample, std::mt19937_64{1});
  return fit_gaussian(vectors(chosen));
}

}  // namespace

std::size_t OutOfFold::fold_of(std::size_t row) const {
  return scatter(groups_.empty() ? row : groups_[row]) % kFolds;
}

OutOfFold::OutOfFold(std::size_t n, const VectorSource& vectors, const std::vector<std::uint32_t>& groups)
    : groups_{groups} {
  std::vector<std::int64_t> rows(n);
  std::iota(rows.begin(), rows.end(), 0);
  all_ = fit(rows, vectors);
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<std::int64_t> others;
    std::ranges::copy_if(rows, std::back_inserter(others),
                         [&](std::int64_t row) { return fold_of(static_cast<std::size_t>(row)) != fold; });
    without_[fold] = fit(others, vectors);
  }
}

}  // namespace driftd::drift
