// VNNI multiplies four bytes by four signed bytes and adds the products to an int32. A weight of 24 bits is three such
// bytes, its digits, so that three instructions do for four taps of 16 values; VBMI brings those taps together from
// anywhere in 64 bytes.
#include "embed/pixel_avx512.hpp"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "embed/codec.hpp"
#include "embed/pixel_loops.hpp"

// Of every function here that has vectors; those of one target are inlined into each other.
#define DRIFTD_AVX512 gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")
#define DRIFTD_INLINE_AVX512 DRIFTD_AVX512, gnu::always_inline

namespace driftd::embed::avx512 {
namespace {

constexpr std::size_t kTaps = 4;
constexpr std::size_t kValues = 16;
constexpr std::size_t kBytes = kTaps * kValues;
constexpr int kDigits = 3;

using Ints = std::int32_t __attribute__((vector_size(kBytes)));  // arithmetic on them reads better than intrinsics

[[DRIFTD_INLINE_AVX512]] inline __mmask64 first_of(std::size_t bytes) {
  return bytes >= kBytes ? ~__mmask64{0} : (__mmask64{1} << bytes) - 1;
}

[[DRIFTD_INLINE_AVX512]] inline __m512i pick(const std::uint8_t* positions, __m512i from) {
  return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, _mm512_loadu_si512(positions), from);
}

[[DRIFTD_INLINE_AVX512]] inline Ints multiply(Ints sums, __m512i bytes, __m512i digits) {
  return reinterpret_cast<Ints>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums), bytes, digits));
}

// --- Resizing ---

// The lowest first, in -128 to 127 each.
std::array<std::int8_t, kDigits> digits_of(std::int32_t weight) {
  std::array<std::int8_t, kDigits> digits{};
  for (auto& digit : digits) {
    digit = static_cast<std::int8_t>(weight & 0xFF);
    weight = (weight - digit) >> 8;
  }
  return digits;
}

// Sums of products by digits, the lowest first.
struct Sums {
  Ints of[kDigits] = {Ints{} + kHalf, Ints{}, Ints{}};
};

[[DRIFTD_INLINE_AVX512]] inline void add(Sums& sums, __m512i bytes, const __m512i* digits) {
  for (int d = 0; d < kDigits; ++d) sums.of[d] = multiply(sums.of[d], bytes, digits[d]);
}

[[DRIFTD_INLINE_AVX512]] inline Ints total(const Sums& sums) {
  return (sums.of[0] + sums.of[1] * 0x100 + sums.of[2] * 0x10000) >> kFractionBits;
}

// Four taps of sixteen values of a row: they are picked from 64 bytes of the input.
struct Step {
  std::size_t base = 0;  // where those begin in a row
  alignas(kBytes) std::array<std::uint8_t, kBytes> picked{};
  std::array<std::array<std::int8_t, kBytes>, kDigits> digits{};
};

// For each 16 values of a row as many steps as the most taps need. Empty where 64 bytes are too few.
struct Steps {
  std::size_t parts = 0;  // steps for the same values
  std::vector<Step> all;
};

// Taps [kTaps * part, kTaps * (part + 1)) of values [kValues * group, kValues * (group + 1)). False: too far apart.
bool fill(Step& step, const ResampleAxis& axis, int left, std::size_t group, std::size_t part) {
  const std::size_t values = std::min(kValues, std::size_t{3} * axis.size() - kValues * group);
  bool begun = false;  // positions rise with values and taps
  for (std::size_t i = 0; i < kTaps * values; ++i) {
    const std::size_t value = kValues * group + i / kTaps;
    const std::size_t tap = kTaps * part + i % kTaps;
    const ResampleAxis::Taps taps = axis.at(static_cast<int>(value / 3));
    if (tap >= static_cast<std::size_t>(taps.count)) continue;  // picks any byte, times zero
    const std::size_t at = 3 * (static_cast<std::size_t>(taps.first - left) + tap) + value % 3;
    if (!begun) step.base = at - value % 3;
    begun = true;
    if (at < step.base || at - step.base >= kBytes) return false;
    step.picked[i] = static_cast<std::uint8_t>(at - step.base);
    const auto digits = digits_of(taps.weights[tap]);
    for (int d = 0; d < kDigits; ++d) step.digits[d][i] = digits[d];
  }
  return true;
}

Steps make_steps(const ResampleAxis& axis, int left) {
  Steps steps{.parts = (static_cast<std::size_t>(std::ranges::max(axis.count)) + kTaps - 1) / kTaps, .all = {}};
  const std::size_t groups = (std::size_t{3} * axis.size() + kValues - 1) / kValues;
  steps.all.resize(groups * steps.parts);
  for (std::size_t i = 0; i < steps.all.size(); ++i) {
    if (!fill(steps.all[i], axis, left, i / steps.parts, i % steps.parts)) return {};
  }
  return steps;
}

[[DRIFTD_INLINE_AVX512]] inline void store(Ints values, std::span<std::uint8_t> out) {
  const auto positive = reinterpret_cast<__m512i>(values > 0 ? values : 0);
  _mm512_mask_cvtusepi32_storeu_epi8(out.data(), static_cast<__mmask16>(first_of(out.size())), positive);
}

[[DRIFTD_AVX512]] void along_row(const std::uint8_t* row, std::size_t length, const Steps& steps,
                                 std::span<std::uint8_t> out) {
  const Step* step = steps.all.data();
  for (std::size_t x = 0; x < out.size(); x += kValues) {
    Sums sums;
    for (std::size_t part = 0; part < steps.parts; ++part, ++step) {
      const __m512i near = _mm512_maskz_loadu_epi8(first_of(length - step->base), row + step->base);
      const __m512i digits[kDigits] = {_mm512_loadu_si512(step->digits[0].data()),
                                       _mm512_loadu_si512(step->digits[1].data()),
                                       _mm512_loadu_si512(step->digits[2].data())};
      add(sums, pick(step->picked.data(), near), digits);
    }
    store(total(sums), out.subspan(x));
  }
}

// 64 values of four rows, mixed so that the four of a value lie together: in[0] has the values 0 to 3 of each 16, in[1]
// the next four, and so on.
struct Mixed {
  __m512i in[4];
};

[[DRIFTD_INLINE_AVX512]] inline Mixed mix(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_unpacklo_epi8(a, b);
  const __m512i cd = _mm512_unpacklo_epi8(c, d);
  const __m512i ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_high = _mm512_unpackhi_epi8(c, d);
  return {{_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd), _mm512_unpacklo_epi16(ab_high, cd_high),
           _mm512_unpackhi_epi16(ab_high, cd_high)}};
}

[[DRIFTD_INLINE_AVX512]] inline __m512i pack(Ints low, Ints high) {
  return _mm512_packs_epi32(reinterpret_cast<__m512i>(low), reinterpret_cast<__m512i>(high));
}

// Digits of four weights, those that are missing being zero, for each int32 of a register.
using Weights = std::array<std::int32_t, kDigits>;

std::vector<Weights> weights_of(const ResampleAxis::Taps& taps) {
  std::vector<Weights> all((static_cast<std::size_t>(taps.count) + kTaps - 1) / kTaps);
  for (std::size_t k = 0; k < static_cast<std::size_t>(taps.count); ++k) {
    const auto digits = digits_of(taps.weights[k]);
    for (int d = 0; d < kDigits; ++d) {
      const std::uint32_t byte = static_cast<std::uint8_t>(digits[d]);
      all[k / kTaps][d] |= static_cast<std::int32_t>(byte << (8 * (k % kTaps)));
    }
  }
  return all;
}

[[DRIFTD_AVX512]] void across_row(const std::uint8_t* rows, std::size_t stride, std::size_t count,
                                  const std::vector<Weights>& weights, std::span<std::uint8_t> out) {
  for (std::size_t x = 0; x < out.size(); x += kBytes) {
    const __mmask64 wanted = first_of(out.size() - x);
    Sums sums[4];
    for (std::size_t part = 0; part < weights.size(); ++part) {
      __m512i in[kTaps];
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        const std::size_t k = kTaps * part + tap;
        in[tap] = k < count ? _mm512_maskz_loadu_epi8(wanted, rows + stride * k + x) : _mm512_setzero_si512();
      }
      const Mixed mixed = mix(in[0], in[1], in[2], in[3]);
      const __m512i digits[kDigits] = {_mm512_set1_epi32(weights[part][0]), _mm512_set1_epi32(weights[part][1]),
                                       _mm512_set1_epi32(weights[part][2])};
      for (int i = 0; i < 4; ++i) add(sums[i], mixed.in[i], digits);
    }
    const __m512i low = pack(total(sums[0]), total(sums[1]));
    const __m512i high = pack(total(sums[2]), total(sums[3]));
    _mm512_mask_storeu_epi8(out.data() + x, wanted, _mm512_packus_epi16(low, high));
  }
}

// --- Averages of blocks ---

// A row of averages of block x block pixels of the rows that begin at `rows`; steps: those of an axis whose every
// position is the sum of `block`.
[[DRIFTD_AVX512]] void block_row(const PixelRows& rows, const Steps& steps, std::span<std::uint8_t> out) {
  const float scale = 1.0F / static_cast<float>(rows.count * rows.count);
  const Step* step = steps.all.data();
  for (std::size_t x = 0; x < out.size(); x += kValues, ++step) {
    Ints sums{};
    for (int k = 0; k < rows.count; ++k) {
      const __m512i near = _mm512_maskz_loadu_epi8(first_of(rows.length - step->base), rows.row(k) + step->base);
      sums = multiply(sums, pick(step->picked.data(), near), _mm512_loadu_si512(step->digits[0].data()));
    }
    if (rows.count == 2) {
      store((sums + 2) >> 2, out.subspan(x));
    } else {
      const auto average = __builtin_convertvector(sums, float __attribute__((vector_size(kBytes)))) * scale;
      store(reinterpret_cast<Ints>(_mm512_maskz_cvtps_epi32(0xFFFF, reinterpret_cast<__m512>(average))),
            out.subspan(x));
    }
  }
}

ResampleAxis block_axis(int length, int block) {
  ResampleAxis axis{.stride = static_cast<std::size_t>(block), .first = {}, .count = {}, .weights = {}};
  for (int i = 0; i < length; ++i) axis.first.push_back(block * i);
  axis.count.assign(length, block);
  axis.weights.assign(axis.stride * length, 1);
  return axis;
}

// --- Sums ---

constexpr auto kQuads = [] {  // sixteen pixels, each with a fourth byte
  std::array<std::uint8_t, kBytes> positions{};
  for (std::size_t i = 0; i < kBytes; ++i)
    positions[i] = static_cast<std::uint8_t>(i / 4 * 3 + std::min<std::size_t>(i % 4, 2));
  return positions;
}();
constexpr __mmask64 kColours = 0x7777777777777777;  // without the fourth

// The digits of luma's weights, red lowest.
constexpr std::int32_t luma_digits(int which) {
  std::uint32_t digits = 0;
  int shift = 0;
  for (const int weight : {loops::kRed, loops::kGreen, loops::kBlue}) {
    const int low = static_cast<std::int8_t>(weight & 0xFF);  // NOLINT(bugprone-signed-char-misuse): it has a sign
    const auto digit = static_cast<std::uint8_t>(which == 0 ? low : (weight - low) >> 8);
    digits |= std::uint32_t{digit} << shift;
    shift += 8;
  }
  return static_cast<std::int32_t>(digits);
}

[[DRIFTD_INLINE_AVX512]] inline Ints lowest_byte(__m512i quads) {
  return reinterpret_cast<Ints>(quads) & 0xFF;
}

[[DRIFTD_INLINE_AVX512]] inline std::int32_t sum_of(Ints values) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < kValues; ++i) sum += values[i];
  return sum;
}

[[DRIFTD_AVX512]] void add_row(const std::uint8_t* rgb, int width, std::uint8_t* luma, PixelSums& sums) {
  constexpr int kRoundLuma = 1 << (loops::kLumaFraction - 1);
  constexpr int kRoundSaturation = 1 << (loops::kSaturationFraction - 1);
  Ints total{};
  Ints squared{};
  Ints saturation{};
  for (std::size_t x = 0; x < static_cast<std::size_t>(width); x += kValues) {
    const std::size_t pixels = std::min(kValues, width - x);
    const __m512i read = _mm512_maskz_loadu_epi8(first_of(3 * pixels), rgb + 3 * x);
    const __m512i quads = _mm512_maskz_permutexvar_epi8(kColours, _mm512_loadu_si512(kQuads.data()), read);
    const Ints low = multiply(Ints{} + kRoundLuma, quads, _mm512_set1_epi32(luma_digits(0)));
    const Ints high = multiply(Ints{}, quads, _mm512_set1_epi32(luma_digits(1)));
    const Ints y = (low + high * 0x100) >> loops::kLumaFraction;
    store(y, {luma + x, pixels});
    total += y;
    squared += y * y;
    const auto green = reinterpret_cast<__m512i>(reinterpret_cast<Ints>(quads) >> 8);  // in the lowest byte
    const auto blue = reinterpret_cast<__m512i>(reinterpret_cast<Ints>(quads) >> 16);
    const Ints largest = lowest_byte(_mm512_max_epu8(_mm512_max_epu8(quads, green), blue));
    const Ints smallest = lowest_byte(_mm512_min_epu8(_mm512_min_epu8(quads, green), blue));
    const auto inverse = reinterpret_cast<Ints>(_mm512_mask_i32gather_epi32(
        _mm512_setzero_si512(), 0xFFFF, reinterpret_cast<__m512i>(largest), loops::kInverses.data(), 4));
    saturation += ((largest - smallest) * inverse + kRoundSaturation) >> loops::kSaturationFraction;
  }
  sums.luma += sum_of(total);
  sums.luma_squared += sum_of(squared);
  sums.saturation += sum_of(saturation);
}

// 32 values in 16 bits each.
[[DRIFTD_INLINE_AVX512]] inline __m512i wide(__mmask32 wanted, const std::uint8_t* from) {
  return _mm512_maskz_cvtepu8_epi16(~__mmask32{0}, _mm256_maskz_loadu_epi8(wanted, from));
}

[[DRIFTD_AVX512]] void add_inner_edges(const loops::LumaRows& rows, int width, PixelSums& sums) {
  __m512i total = _mm512_setzero_si512();
  __m512i squared = _mm512_setzero_si512();
  for (int x = 1; x < width - 1; x += 32) {
    const auto wanted = static_cast<__mmask32>(first_of(static_cast<std::size_t>(std::min(32, width - 1 - x))));
    const __m512i across = _mm512_add_epi16(wide(wanted, rows.row + x - 1), wide(wanted, rows.row + x + 1));
    const __m512i down = _mm512_add_epi16(wide(wanted, rows.above + x), wide(wanted, rows.below + x));
    const __m512i four = _mm512_slli_epi16(wide(wanted, rows.row + x), 2);
    const __m512i edge = _mm512_sub_epi16(_mm512_add_epi16(across, down), four);
    total = _mm512_dpwssd_epi32(total, edge, _mm512_set1_epi16(1));
    squared = _mm512_dpwssd_epi32(squared, edge, edge);
  }
  sums.edges += sum_of(reinterpret_cast<Ints>(total));
  sums.edges_squared += sum_of(reinterpret_cast<Ints>(squared));
}

}  // namespace

bool along(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  const Steps steps = make_steps(axis, left);
  if (steps.all.empty()) return false;
  const std::size_t length = std::size_t{3} * axis.size();
  for (int y = 0; y < rows.count; ++y, out += length) along_row(rows.row(y), rows.length, steps, {out, length});
  return true;
}

void across(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out) {
  for (int y = 0; y < axis.size(); ++y, out += rows.length) {
    const ResampleAxis::Taps taps = axis.at(y);
    across_row(rows.row(taps.first - top), rows.stride, static_cast<std::size_t>(taps.count), weights_of(taps),
               {out, rows.length});
  }
}

Image blocks(const Image& image, int block) {
  Image small = make_image(image.width / block, image.height / block);
  const Steps steps = make_steps(block_axis(small.width, block), 0);
  const std::size_t stride = std::size_t{3} * image.width;
  const std::size_t length = std::size_t{3} * small.width;
  for (int y = 0; y < small.height; ++y) {
    const PixelRows rows{image.rgb.data() + stride * y * block, stride, stride, block};
    block_row(rows, steps, {small.rgb.data() + length * y, length});
  }
  return small;
}

PixelSums sums(const Image& image) {
  return loops::sums(image, add_row, add_inner_edges);
}

}  // namespace driftd::embed::avx512
