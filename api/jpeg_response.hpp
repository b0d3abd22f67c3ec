// A picture as an answer.
//
// Thread-safe: a pure function.
#pragma once

#include <cstddef>
#include <span>

#include "api/http.hpp"

namespace driftd::api {

enum class Lasts { forever, minutes };  // how long the picture behind the path stays the same

[[nodiscard]] Response jpeg_response(std::span<const std::byte> jpeg, Lasts lasts);

}  // namespace driftd::api
