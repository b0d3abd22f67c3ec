// The stored form of a Calibration: an envelope of counts, terms and arrays. Format 2 adds the arrays of the rules
// rmean, d1r3 and mean at the end.
#include <algorithm>
#include <cmath>
#include <utility>

#include "drift/calibration.hpp"
#include "drift/envelope.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kMagic = 0x4C414344;  // "DCAL"
constexpr std::uint32_t kVersion = 2;

bool finite(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

void check_values(const Reader& in, const Calibration& calibration, std::uint32_t version) {
  const auto ranked = calibration.blend.size();
  in.require(calibration.excluded <= calibration.n && ranked == calibration.n - calibration.excluded && ranked > 0,
             "its counts contradict each other");
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
  const auto good = [&](const std::vector<float>& values) {
    return values.size() == ranked && finite(values) && std::ranges::is_sorted(values);
  };
  const bool first_rules = good(calibration.blend) && std::ranges::all_of(calibration.knn, good);
  const bool later_rules = version == 1 || (good(calibration.rmean) && good(calibration.d1r3) &&
                                            std::ranges::all_of(calibration.mean, good));
  in.require(first_rules && later_rules, "leave-one-out scores are missing or out of order");
}

}  // namespace

std::vector<std::byte> encode(const Calibration& calibration) {
  const bool of_format_1 = calibration.rmean.empty();  // read from it, and unable to grow
  auto out = begin_envelope(kMagic, of_format_1 ? 1 : kVersion);
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
  out.put(std::span{calibration.blend});
  for (const auto& distances : calibration.knn) out.put(std::span{distances});
  if (!of_format_1) {
    out.put(std::span{calibration.rmean});
    out.put(std::span{calibration.d1r3});
    for (const auto& distances : calibration.mean) out.put(std::span{distances});
  }
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
  calibration.blend = in.floats();
  for (auto& distances : calibration.knn) distances = in.floats();
  if (version >= 2) {
    calibration.rmean = in.floats();
    calibration.d1r3 = in.floats();
    for (auto& distances : calibration.mean) distances = in.floats();
  }
  in.require_end();
  check_values(in, calibration, version);
  return calibration;
}

}  // namespace driftd::drift
