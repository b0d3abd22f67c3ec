// How training images close to another are stored: part of the records of evidence and of review items.
//
// Internal to this library. Confined to one thread, as Writer and Reader are.
#pragma once

#include <vector>

#include "drift/bytes.hpp"
#include "drift/evidence.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<NearImage>& images);
[[nodiscard]] std::vector<NearImage> get_near_images(Reader& in);

}  // namespace driftd::drift
