#include "index/sketch_query.hpp"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <vector>

#include "index/sketch_codes.hpp"

namespace driftd::index {
namespace {

constexpr float kCoarse = 1.5F;        // times as far off as rows usually are
constexpr float kSubtracting = 4e-7F;  // loses so much of the vector

// Squared L2 distances of 512 values are off by 1e-6 or so, whichever way they are summed.
float rounding_of_scan(std::size_t dimension) {
  return 1e-7F * (16 + static_cast<float>(dimension) / 16);
}

struct Taken {
  SketchQuery::Codes codes;
  float error;
};

// Codes of `left`, which keeps what they leave; `made` gets what they stand for added.
Taken take(std::span<float> left, std::span<float> made, std::span<std::int32_t> out) {
  std::vector<std::uint8_t> bytes(left.size());
  const auto coded = sketch_codes(left, bytes.data());
  std::int32_t total = 0;
  for (std::size_t j = 0; j < bytes.size(); ++j) {
    const auto value = static_cast<std::int8_t>(bytes[j] - kSketchMiddle);
    std::memcpy(reinterpret_cast<char*>(out.data()) + j, &value, 1);
    total += value;
    made[j] += coded.scale * value;
    left[j] -= coded.scale * value;
  }
  return {{.bias = kSketchMiddle * total, .twice_scale = 2 * coded.scale}, coded.error};
}

}  // namespace

CodedQuery code_query(std::span<const float> values, std::span<const float> centre, float usual_error,
                      std::span<std::int32_t> codes) {
  assert(values.size() == centre.size());
  const auto quads = codes.size() / 2;
  std::vector<float> left(quads * 4);
  std::vector<float> made(left.size());
  std::ranges::transform(values, centre, left.begin(), std::minus{});
  CodedQuery query{.coded = {.norm = 0, .limit = std::numeric_limits<float>::infinity()},
                   .rounding = rounding_of_scan(values.size())};
  const auto first = take(left, made, codes.first(quads));
  query.coded.first = first.codes;
  query.error = first.error;
  query.fine = first.error > kCoarse * usual_error;
  if (query.fine) {
    const auto rest = take(left, made, codes.last(quads));
    query.coded.rest = rest.codes;
    query.error = rest.error;
  }
  double norm = 0;
  for (const auto value : made) norm += double{value} * value;
  query.coded.norm = static_cast<float>(norm) * (1 - kSketchRounding);
  query.error += kSubtracting * static_cast<float>(std::sqrt(norm));
  return query;
}

}  // namespace driftd::index
