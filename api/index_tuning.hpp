// Chooses how far a reference's index must search, so that its scores are those of exact search up to a stated error,
// and calibrates it.
//
// Thread-safe: a pure function of its arguments; the sample is drawn with a fixed seed.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "api/reference.hpp"
#include "drift/calibration.hpp"
#include "index/segment.hpp"

namespace driftd::api {

struct TuningOptions {
  // Limits of what reading only some of the cells may cost.
  double min_recall = 0.99;  // share of the 3 nearest found
  // Mean absolute error of the blend score, which spreads by some units on typical images.
  double max_score_error = 0.01;
  double max_query_ms = 0;  // for "auto": of one query alone on this machine; 0: the size decides
  index::Device device;     // where the calibration searches, for kinds without cells
  std::size_t pools = 1;    // unit vectors per embedding
  CalibrationPlan plan;
  std::function<void(std::size_t done)> progress;  // of each calibration; may be empty
};

struct Tuned {
  drift::Calibration calibration;
  index::SearchFigures search;  // recall and score error against exact search over the vectors as they were
  double query_ms = 0;          // of one query alone, the median of a few; 0 where max_query_ms was not given
};

// Turns the exact index of `items` into one of `kind`, or of the kind that suits its size when `kind` is "auto". Cells:
// starts at an eighth of them, below which drift detection suffers measurably, and reads more until both limits hold
// for a sample of the rows (all up to 1000), each as a query against the others, or until all are read. What 8-bit
// codes cost cannot be mended by reading more, so the limits compare with a search of all cells of the same codes; the
// figures returned compare with exact search. "auto" keeps exact search where more than half of the cells would have to
// be read. With max_query_ms, "auto" measures instead: exact search where it keeps to that, else ivf, or
// whichever is faster; it is for the caller to see from query_ms that neither keeps to it. The calibration is of the
// index as it will serve. It is made again whenever its own scores ask for more cells: mostly once, seldom twice. Cost
// besides: one exact search per sampled row, and a second copy of the vectors in memory. Throws Error: invalid_argument
// on an unknown kind, limits out of range, or too few items; what calibrate() throws.
[[nodiscard]] Tuned tune_index(index::Segment& items, const std::string& kind, const TuningOptions& options);

}  // namespace driftd::api
