// What is normal for a reference: the leave-one-out scores of its own images, against which a fresh image is ranked.
//
// Each reference row is scored as if it were a fresh image, against all the others. A row's copies (exact or near
// duplicates) are skipped with it: a fresh image has no copy of itself in the reference, and counting copies as
// neighbours makes the reference look tighter than it is (30% of the images stored twice turn a 5% false-alarm rate
// into 9%).
//
// Thread rule: Calibration is a plain value, immutable once made. calibrate() calls `search` and `progress` on its own
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "drift/scores/terms.hpp"

namespace driftd::drift {

inline constexpr std::size_t kNeighbours =
    10;  // neighbours that a score looks at; the k of the plain rule is at most this
inline constexpr std::size_t kDefaultK = 3;  // rank of the neighbour whose distance is shown and used by Rule::knn

// The nearest rows of a batch of queries: n x k, row-major, ascending per query. Distances are L2 (not squared); row -1
// (with any distance) marks places that the search could not fill, always at the end of a query's list.
struct Neighbours {
  std::size_t k = 0;
  std::vector<float> distances;
  std::vector<std::int64_t> rows;
};

// Searches the serving index for the neighbours of reference rows. The row itself may or may not be among them.
using NeighbourSource = std::function<Neighbours(std::span<const std::int64_t> rows, std::size_t k)>;

// The distance up to which two images count as copies, for embeddings made of `pools` unit vectors: 0.01 sqrt(pools).
// That is ten times the rounding of a float32 distance computed from inner products (about 1e-3 on unit vectors) and a
// tenth or less of the distance between distinct images of even the most uniform real sets.
[[nodiscard]] double default_duplicate_distance(std::size_t pools);

struct CalibrationOptions {
  double duplicate_distance = 0.01;                // L2; see default_duplicate_distance
  std::size_t min_items = 50;                      // fewer images give p-values too coarse to decide on
  std::size_t block = 1024;                        // rows per search
  std::function<void(std::size_t done)> progress;  // after each block, with the rows done so far; may be empty
};

struct Calibration {
  std::size_t n = 0;           // rows of the reference
  std::size_t duplicates = 0;  // rows that have at least one copy elsewhere in the reference
  std::size_t excluded = 0;    // rows with no score of their own: their copies, or a narrow probe, hid all other images
  double duplicate_distance = 0;  // L2; also the floor below which distances are not told apart
  std::vector<float> own3;        // per row: distance to its 3rd and 10th distinct neighbour; excluded rows: the floor
  std::vector<float> own10;
  double typical_own3 = 0;  // medians of the above, for neighbours younger than the calibration
  double typical_own10 = 0;
  Standards terms;

  // Ascending leave-one-out scores by each rule (scorer.hpp), n - excluded of them; by k - 1 where k matters. The last
  // three are empty in a calibration of format 1, which knew only the first two rules.
  std::vector<float> blend;
  std::array<std::vector<float>, kNeighbours> knn;
  std::vector<float> rmean;
  std::vector<float> d1r3;
  std::array<std::vector<float>, kNeighbours> mean;

  // Images that p-values are ranked against.
  [[nodiscard]] std::size_t ranked() const { return blend.size(); }
};

// Distances below this are not told apart: copies of one image are 0 apart, and 0 has no logarithm.
[[nodiscard]] double floor_of(const Calibration& calibration);

// Calibrates rows 0..n-1. Rows with too few distinct neighbours among the first 16 are searched again with k doubled,
// up to 1024 (a copy stored more often than that leaves its rows out: `excluded`). Cost: n searches, 200 bytes a row
// while it runs. Throws Error: invalid_argument when fewer than min_items images can be ranked (the text says how many
// are needed and why), internal when `search` returns the wrong shape, an unknown row, or a distance that is not
// finite. Errors of `search` pass through.
[[nodiscard]] Calibration calibrate(std::size_t n, const NeighbourSource& search,
                                    const CalibrationOptions& options = {});

// Little-endian bytes, versioned, closed by a SHA-256. About 100 bytes per row. decode() throws Error corrupt for
// anything that encode() cannot have written, and conflict for a version newer than this program. It reads format 1,
// too.
[[nodiscard]] std::vector<std::byte> encode(const Calibration& calibration);
[[nodiscard]] Calibration decode_calibration(std::span<const std::byte> bytes);

}  // namespace driftd::drift
