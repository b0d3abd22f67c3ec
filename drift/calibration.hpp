// What is normal for a reference: scores of images like its own, against which a fresh image is ranked.
//
// Either of the reference's own images, each scored as if it were a fresh one, against all the others (leave one out;
// calibrate()), or of images that were kept out of the index (held out; rank_held_out()). Copies of an image (exact or
// near duplicates) are skipped as its neighbours: a fresh image has no copy of itself in the reference, and counting
// copies makes the reference look tighter than it is (30% of the images stored twice turn a 5% false-alarm rate into
// 9%). A row that is left out is missing from its neighbours' own distances, too, as a fresh image is: counting it
// there made 5% 4.6%. Images that belong together, frames of one video or photographs of one patient, are copies in all
// but name; told which they are, calibrate() leaves out one group at a time.
//
// Thread rule: Calibration is a plain value, immutable once made. calibrate() and rank_held_out() call the functions
// that they are given on their own thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "drift/held_out.hpp"
#include "drift/rule.hpp"
#include "drift/scores/gaussian.hpp"
#include "drift/scores/terms.hpp"

namespace driftd::drift {

// The nearest rows of a batch of queries: n x k, row-major, ascending per query. Distances are L2 (not squared); row -1
// (with any distance) marks places that the search could not fill, always at the end of a query's list.
struct Neighbours {
  std::size_t k = 0;
  std::vector<float> distances;
  std::vector<std::int64_t> rows;
};

// Searches the serving index for the neighbours of reference rows. The row itself may or may not be among them.
using NeighbourSource = std::function<Neighbours(std::span<const std::int64_t> rows, std::size_t k)>;

// The embeddings of reference rows, a row for each.
using VectorSource = std::function<Matrix(std::span<const std::int64_t> rows)>;

// The distance up to which two images count as copies, for embeddings made of `pools` unit vectors: 0.01 sqrt(pools).
// That is ten times the rounding of a float32 distance computed from inner products (about 1e-3 on unit vectors) and a
// tenth or less of the distance between distinct images of even the most uniform real sets.
[[nodiscard]] double default_duplicate_distance(std::size_t pools);

struct CalibrationOptions {
  double duplicate_distance = 0.01;                // L2; see default_duplicate_distance
  std::size_t min_items = 50;                      // fewer images give p-values too coarse to decide on
  std::size_t block = 1024;                        // rows per search
  std::function<void(std::size_t done)> progress;  // after each block, with the rows done so far; may be empty
  VectorSource vectors;                            // empty: without the rules that need them
  std::vector<std::uint32_t> groups;               // a number for each row, of what it belongs to; empty: to nothing
  std::vector<std::string> labels;                 // of each row; empty: without ranks within labels
};

// With fewer groups a single one is more than a twentieth of all, and what is normal hangs on it.
inline constexpr std::size_t kMinGroups = 20;

// How the scores came about that images are ranked among. The numbers are part of the stored format.
enum class Method : std::uint32_t { leave_one_out = 0, leave_one_group_out = 1, held_out = 2 };
[[nodiscard]] std::string_view name_of(Method method);  // "leave one out"

// Scores by one rule.
struct Ranks {
  std::vector<float> scores;          // ascending
  std::vector<std::uint16_t> labels;  // into Calibration::labels: what the neighbours of each image vote; or empty

  friend bool operator==(const Ranks&, const Ranks&) = default;
};

// Rules that k matters to have a list for each k.
[[nodiscard]] constexpr std::size_t list_of(Rule rule, std::size_t k) {
  constexpr std::array<std::size_t, kRules.size()> kFirst{0, 1, 11, 12, 13, 23, 33};
  return kFirst[static_cast<std::size_t>(rule)] + (has_k(rule) ? k - 1 : 0);
}
inline constexpr std::size_t kLists = list_of(Rule::mahalanobis, 1) + 1;

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
  Gaussian gaussian;  // of all rows; not fitted where there were no vectors

  Method method = Method::leave_one_out;
  std::size_t groups = 0;           // that the ranked images come from; 0: each stands for itself
  double effective = 0;             // how many independent images the ranked ones are worth: fewer in groups
  std::vector<std::string> labels;  // ascending, without repetition

  // Scores by list_of(rule, k), as many each as images are ranked. Lists of rules that are not known are empty:
  // of format 1 (after knn), of format 2 (after mean), or made without vectors (l1 and mahalanobis).
  std::array<Ranks, kLists> ranks;

  // Images that p-values are ranked against.
  [[nodiscard]] std::size_t ranked() const { return ranks.front().scores.size(); }
};

// Distances below this are not told apart: copies of one image are 0 apart, and 0 has no logarithm.
[[nodiscard]] double floor_of(const Calibration& calibration);

// Calibrates rows 0..n-1. Rows with too few distinct neighbours among the first 16 are searched again with k doubled,
// up to 1024 and the size of the largest group (a copy stored more often than that leaves its rows out: `excluded`).
// The score by mahalanobis is by a fit without the row, its group, and a fifth of the others. Cost: n searches, 200
// bytes a row while it runs; with vectors six fits to 2,048 rows. Throws Error: invalid_argument when fewer than
// min_items images can be ranked or there are fewer than kMinGroups groups (the text says how many are needed and why),
// internal when `search` returns the wrong shape, an unknown row, or a distance that is not finite. Errors of `search`
// pass through.
[[nodiscard]] Calibration calibrate(std::size_t n, const NeighbourSource& search,
                                    const CalibrationOptions& options = {});

// Replaces the ranks of a calibration by those of images that are not in the index. `search` is asked for them by their
// number; options.vectors and options.labels are of the reference's rows, options.groups is not used. Own distances and
// the terms' scales stay those of the reference alone, so that held-out and fresh images are treated alike: p-values
// are exact for images exchangeable with them (split conformal prediction: Papadopoulos et al., ECML 2002). Throws what
// calibrate() throws.
void rank_held_out(Calibration& calibration, const HeldOut& images, const NeighbourSource& search,
                   const CalibrationOptions& options);

// Little-endian bytes, versioned, closed by a SHA-256. About 220 bytes per row. decode() throws Error corrupt for
// anything that encode() cannot have written, and conflict for a version newer than this program. It reads formats 1
// and 2, too.
[[nodiscard]] std::vector<std::byte> encode(const Calibration& calibration);
[[nodiscard]] Calibration decode_calibration(std::span<const std::byte> bytes);

}  // namespace driftd::drift
