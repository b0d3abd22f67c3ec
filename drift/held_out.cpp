#include "drift/held_out.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "drift/envelope.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kMagic = 0x4F484344;  // "DCHO"
constexpr std::uint32_t kVersion = 1;

}  // namespace

std::vector<std::byte> encode(const HeldOut& images) {
  auto out = begin_envelope(kMagic, kVersion);
  out.put(static_cast<std::uint64_t>(images.vectors.rows));
  out.put(std::span{images.vectors.data});
  out.put(std::span{images.groups});
  return seal(std::move(out));
}

HeldOut decode_held_out(std::span<const std::byte> bytes) {
  auto [version, in] = open_envelope(bytes, kMagic, kVersion, "the file of held-out images");
  const auto rows = in.get<std::uint64_t>();
  auto values = in.floats();
  HeldOut images;
  images.groups = in.numbers<std::uint32_t>();
  in.require_end();
  in.require(rows > 0 && !values.empty() && rows <= values.size() && values.size() % rows == 0,
             "its vectors have no common length");
  in.require(images.groups.empty() || images.groups.size() == rows, "it has groups for other images");
  in.require(std::ranges::all_of(values, [](float x) { return std::isfinite(x); }),
             "a vector has a value that is no number");
  const auto dimension = values.size() / rows;
  images.vectors = Matrix{rows, dimension, std::move(values)};
  return images;
}

}  // namespace driftd::drift
