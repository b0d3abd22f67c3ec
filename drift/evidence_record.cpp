#include "drift/evidence_record.hpp"

#include <cstdint>

#include "drift/near_image_record.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<Evidence>& all) {
  out.put(static_cast<std::uint64_t>(all.size()));
  for (const auto& evidence : all) {
    out.put(evidence.request_id);
    out.put(evidence.image);
    out.put(evidence.score);
    out.put(evidence.p_value);
    out.put(evidence.distance);
    put(out, evidence.neighbours);
  }
}

std::vector<Evidence> get_evidence(Reader& in) {
  std::vector<Evidence> all(in.count(48));  // two lengths and four numbers
  for (auto& evidence : all) {
    evidence.request_id = in.text();
    evidence.image = in.get<std::uint64_t>();
    evidence.score = in.finite();
    evidence.p_value = in.finite();
    evidence.distance = in.finite();
    evidence.neighbours = get_near_images(in);
  }
  return all;
}

}  // namespace driftd::drift
