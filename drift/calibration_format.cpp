// The stored form of a Calibration: magic, version, counts, terms, arrays, then the SHA-256 of all before it in
// hexadecimal. Format 2 adds the arrays of the rules rmean, d1r3 and mean at the end.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "drift/bytes.hpp"
#include "drift/calibration.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kMagic = 0x4C414344;  // "DCAL"
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderSize = 2 * sizeof(std::uint32_t);
constexpr std::size_t kDigestSize = 64;

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
  Writer out;
  out.put(kMagic);
  out.put(of_format_1 ? 1U : kVersion);
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
  const auto digest = sha256(out.bytes());
  out.append(digest.data(), digest.size());
  return out.take();
}

Calibration decode_calibration(std::span<const std::byte> bytes) {
  Reader header{bytes, "the calibration"};
  header.require(header.get<std::uint32_t>() == kMagic, "it does not begin as one");
  const auto version = header.get<std::uint32_t>();
  if (version > kVersion) {
    throw Error{Errc::conflict, "the calibration has format version " + std::to_string(version) +
                                    ", this program reads up to " + std::to_string(kVersion) + ": upgrade it"};
  }
  header.require(version >= 1, "its version never existed");
  header.require(bytes.size() >= kDigestSize + kHeaderSize, "it ends too early");
  const auto body = bytes.first(bytes.size() - kDigestSize);
  const auto digest = sha256(body);
  header.require(std::ranges::equal(std::as_bytes(std::span{digest}), bytes.last(kDigestSize)),
                 "its checksum is wrong");

  Reader in{body.subspan(kHeaderSize), "the calibration"};
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
