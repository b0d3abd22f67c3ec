#include "index/sketch_codes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace driftd::index {
namespace {

using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Bytes = std::uint8_t __attribute__((vector_size(16)));

constexpr std::size_t kLanes = 16;
constexpr float kMiddle = kSketchMiddle;

template <class Values>
float sum(const Values& values) {
  float total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += values[i];
  return total;
}

[[gnu::always_inline]] inline SketchCoded code_loop(std::span<const float> values, std::uint8_t* codes) {
  Floats most{};
  for (std::size_t j = 0; j < values.size(); j += kLanes) {
    Floats v;
    std::memcpy(&v, values.data() + j, sizeof(v));
    v = v < 0 ? -v : v;
    most = v > most ? v : most;
  }
  float largest = 0;
  for (std::size_t i = 0; i < kLanes; ++i) largest = std::max(largest, most[i]);
  constexpr float kSmallest = 1e-30F;  // its inverse is still a number
  const float scale = largest > kSmallest ? largest / 127 : 0;
  const float inverse = largest > kSmallest ? 127 / largest : 0;
  Floats squares{};
  Floats wrong{};
  Floats length{};
  for (std::size_t j = 0; j < values.size(); j += kLanes) {
    Floats v;
    std::memcpy(&v, values.data() + j, sizeof(v));
    const auto whole = __builtin_convertvector(v * inverse + (kMiddle + 0.5F), Ints);
    const Floats value = __builtin_convertvector(whole, Floats) - kMiddle;
    const Floats difference = v - scale * value;
    squares += value * value;
    wrong += difference * difference;
    length += v * v;
    const auto bytes = __builtin_convertvector(whole, Bytes);
    std::memcpy(codes + j, &bytes, sizeof(bytes));
  }
  const float norm = scale * scale * sum(squares);
  const float error = std::sqrt(sum(wrong)) * (1 + 1e-5F) + 2e-7F * std::sqrt(sum(length));
  if (std::isfinite(norm) && std::isfinite(error)) return {scale, norm, error};
  std::fill_n(codes, values.size(), static_cast<std::uint8_t>(kMiddle));
  return {};
}

SketchCoded code_plain(std::span<const float> values, std::uint8_t* codes) {
  return code_loop(values, codes);
}
// For processors with AVX2: the same operations, and so the same bits.
#if defined(__x86_64__)
[[gnu::target("avx2")]] SketchCoded code_avx2(std::span<const float> values, std::uint8_t* codes) {
  return code_loop(values, codes);
}
const auto kCode = __builtin_cpu_supports("avx2") ? code_avx2 : code_plain;
#else
constexpr auto kCode = code_plain;
#endif

}  // namespace

std::size_t sketch_width(std::size_t dimension) {
  return (dimension + kLanes - 1) / kLanes * kLanes;
}

SketchCoded sketch_codes(std::span<const float> values, std::uint8_t* codes) {
  return kCode(values, codes);
}

}  // namespace driftd::index
