// The outside of a stored format: magic, version, body, and the SHA-256 of all before it in hexadecimal.
//
// Confined to one thread. Internal to this library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "drift/bytes.hpp"

namespace driftd::drift {

// A writer that has the magic and the version; the body follows, then seal().
[[nodiscard]] Writer begin_envelope(std::uint32_t magic, std::uint32_t version);
[[nodiscard]] std::vector<std::byte> seal(Writer writer);

struct Envelope {
  std::uint32_t version = 0;
  Reader body;
};

// `what` names the format in messages and outlives the result. Throws Error: corrupt on damage, conflict for a version
// newer than `newest`.
[[nodiscard]] Envelope open_envelope(std::span<const std::byte> bytes, std::uint32_t magic, std::uint32_t newest,
                                     std::string_view what);

}  // namespace driftd::drift
