// The training images themselves, for a person who compares them with a strange one.
//
// A reference records the folder that it was built from. An item's image is read where its uri leads to a file in that
// folder, symbolic links followed; what leads out of it, whoever wrote the uri, is never opened. What is shown is
// decoded and written anew: only pixels. Thread-safe: pure functions.
#pragma once

#include <vector>

#include "api/reference.hpp"

namespace driftd::api {

// Whether the folder is known and there.
[[nodiscard]] bool has_images(const Reference& reference);

// A JPEG, 96 pixels on its longer side. Throws Error{not_found} where there is none to show, and says why. Cost:
// reading and decoding the file, some ms.
[[nodiscard]] std::vector<unsigned char> reference_image(const Reference& reference, const index::Item& item);

}  // namespace driftd::api
