#include "drift/near_image_record.hpp"

#include <cstdint>

namespace driftd::drift {
namespace {

constexpr std::size_t kSmallest = 3 * sizeof(std::uint64_t) + sizeof(double);  // three lengths and a number

}  // namespace

void put(Writer& out, const std::vector<NearImage>& images) {
  out.put(static_cast<std::uint64_t>(images.size()));
  for (const auto& image : images) {
    out.put(image.id);
    out.put(image.label);
    out.put(image.uri);
    out.put(image.distance);
  }
}

std::vector<NearImage> get_near_images(Reader& in) {
  std::vector<NearImage> images(in.count(kSmallest));
  for (auto& image : images) {
    image.id = in.text();
    image.label = in.text();
    image.uri = in.text();
    image.distance = in.finite();
  }
  return images;
}

}  // namespace driftd::drift
