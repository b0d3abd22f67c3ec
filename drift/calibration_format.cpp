// The stored form of a Calibration: an envelope of counts, terms and arrays.
//
// Format 1 ends after the lists of blend and knn, format 2 adds those of rmean, d1r3 and mean. Format 3 begins like
// them and has, in place of the bare lists, how the calibration was made, labels, lists with labels, and the Gaussian.
#include <algorithm>
#include <cmath>
#include <utility>

#include "drift/calibration.hpp"
#include "drift/envelope.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kMagic = 0x4C414344;  // "DCAL"
constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kListsOfFormat1 = list_of(Rule::rmean, 1);
constexpr std::size_t kListsOfFormat2 = list_of(Rule::l1, 1);

template <class T>
bool finite(const std::vector<T>& values) {
  return std::ranges::all_of(values, [](T x) { return std::isfinite(x); });
}

void check_reference(const Reader& in, const Calibration& calibration) {
  in.require(calibration.excluded <= calibration.n, "its counts contradict each other");
  in.require(calibration.duplicates <= calibration.n, "it has more duplicates than images");
  in.require(calibration.own3.size() == calibration.n && calibration.own10.size() == calibration.n,
             "own distances are missing");
  in.require(finite(calibration.own3) && finite(calibration.own10), "an own distance is not finite");
  in.require(std::isfinite(calibration.duplicate_distance) && calibration.duplicate_distance >= 0 &&
                 std::isfinite(calibration.typical_own3) && std::isfinite(calibration.typical_own10),
             "a distance is not finite");
  for (const auto& term : calibration.terms) {
    in.require(std::isfinite(term.median) && std::isfinite(term.spread) && term.spread >= kSpreadFloor,
               "a term cannot be standardised");
  }
}

void check_ranks(const Reader& in, const Calibration& calibration) {
  const auto ranked = calibration.ranked();
  const bool left_out = calibration.method != Method::held_out;
  in.require(ranked > 0 && (!left_out || ranked == calibration.n - calibration.excluded),
             "its counts contradict each other");
  in.require(calibration.groups <= ranked && calibration.effective >= 1 &&
                 calibration.effective <= static_cast<double>(ranked),
             "its groups contradict its images");
  const auto& names = calibration.labels;
  in.require(std::ranges::is_sorted(names) && std::ranges::adjacent_find(names) == names.end(),
             "its labels are out of order");
  for (std::size_t i = 0; i < kLists; ++i) {
    const auto& [scores, labels] = calibration.ranks[i];
    const bool missing = scores.empty() && i >= kListsOfFormat1;
    in.require(missing || (scores.size() == ranked && finite(scores) && std::ranges::is_sorted(scores)),
               "leave-one-out scores are missing or out of order");
    in.require(labels.size() == (names.empty() ? 0 : scores.size()) &&
                   std::ranges::all_of(labels, [&](std::uint16_t label) { return label < names.size(); }),
               "scores have other labels than the reference");
  }
}

void check_gaussian(const Reader& in, const Calibration& calibration) {
  const auto& fit = calibration.gaussian;
  const auto size = fit.directions.rows;
  in.require(fit.mean.empty() == calibration.ranks[list_of(Rule::mahalanobis, 1)].scores.empty(),
             "the fit and the scores of a rule do not go together");
  in.require(fit.directions.data.size() == size * fit.mean.size() && fit.lower.size() == size * size &&
                 (fit.mean.empty() ? size == 0 : size > 0),
             "the fit has another shape than its vectors");
  in.require(
      finite(fit.mean) && finite(fit.directions.data) && finite(fit.lower) && std::isfinite(fit.rest) && fit.rest > 0,
      "the fit has a value that is no number");
  for (std::size_t r = 0; r < size; ++r) in.require(fit.lower[r * size + r] > 0, "the fit has no spread");
}

void put(Writer& out, const Gaussian& fit) {
  out.put(std::span{fit.mean});
  out.put(static_cast<std::uint64_t>(fit.directions.rows));
  out.put(std::span{fit.directions.data});
  out.put(std::span{fit.lower});
  out.put(fit.rest);
}

Gaussian gaussian_of(Reader& in) {
  Gaussian fit;
  fit.mean = in.floats();
  const auto rows = in.get<std::uint64_t>();
  auto values = in.floats();
  in.require(rows <= values.size() && rows * fit.mean.size() == values.size(),
             "the fit has another shape than its vectors");
  fit.directions = Matrix{rows, fit.mean.size(), std::move(values)};
  fit.lower = in.numbers<double>();
  fit.rest = in.get<double>();
  return fit;
}

void read_ranks(Reader& in, std::uint32_t version, Calibration& calibration) {
  if (version < 3) {
    const auto lists = version == 1 ? kListsOfFormat1 : kListsOfFormat2;
    for (std::size_t i = 0; i < lists; ++i) calibration.ranks[i].scores = in.floats();
    calibration.effective = static_cast<double>(calibration.ranked());
    return;
  }
  const auto method = in.get<std::uint32_t>();
  in.require(method <= static_cast<std::uint32_t>(Method::held_out), "its method never existed");
  calibration.method = static_cast<Method>(method);
  calibration.groups = in.get<std::uint64_t>();
  calibration.effective = in.get<double>();
  calibration.labels.resize(in.count(sizeof(std::uint64_t)));
  for (auto& label : calibration.labels) label = in.text();
  for (auto& ranks : calibration.ranks) {
    ranks.scores = in.floats();
    ranks.labels = in.numbers<std::uint16_t>();
  }
  calibration.gaussian = gaussian_of(in);
}

}  // namespace

std::vector<std::byte> encode(const Calibration& calibration) {
  auto out = begin_envelope(kMagic, kVersion);
  out.put(static_cast<std::uint64_t>(calibration.n));
  out.put(static_cast<std::uint64_t>(calibration.duplicates));
  out.put(static_cast<std::uint64_t>(calibration.excluded));
  out.put(calibration.duplicate_distance);
  out.put(calibration.typical_own3);
  out.put(calibration.typical_own10);
  for (const auto& term : calibration.terms) {
    out.put(term.median);
    out.put(term.spread);
  }
  out.put(std::span{calibration.own3});
  out.put(std::span{calibration.own10});
  out.put(static_cast<std::uint32_t>(calibration.method));
  out.put(static_cast<std::uint64_t>(calibration.groups));
  out.put(calibration.effective);
  out.put(static_cast<std::uint64_t>(calibration.labels.size()));
  for (const auto& label : calibration.labels) out.put(std::string_view{label});
  for (const auto& ranks : calibration.ranks) {
    out.put(std::span{ranks.scores});
    out.put(std::span{ranks.labels});
  }
  put(out, calibration.gaussian);
  return seal(std::move(out));
}

Calibration decode_calibration(std::span<const std::byte> bytes) {
  auto [version, in] = open_envelope(bytes, kMagic, kVersion, "the calibration");
  Calibration calibration;
  calibration.n = in.get<std::uint64_t>();
  calibration.duplicates = in.get<std::uint64_t>();
  calibration.excluded = in.get<std::uint64_t>();
  calibration.duplicate_distance = in.get<double>();
  calibration.typical_own3 = in.get<double>();
  calibration.typical_own10 = in.get<double>();
  for (auto& term : calibration.terms) {
    term.median = in.get<double>();
    term.spread = in.get<double>();
  }
  calibration.own3 = in.floats();
  calibration.own10 = in.floats();
  read_ranks(in, version, calibration);
  in.require_end();
  check_reference(in, calibration);
  check_ranks(in, calibration);
  check_gaussian(in, calibration);
  return calibration;
}

}  // namespace driftd::drift
