// How the channels of an e-detector are stored: part of the record of a stream, whose version says how.
//
// Internal to this library. Confined to one thread, as Writer and Reader are.
#pragma once

#include <cstdint>
#include <vector>

#include "drift/bytes.hpp"
#include "drift/e_detector.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<EDetector::Channel>& channels);
// None of version 1, which knew one channel, ranked against the reference alone: such a detector starts again.
[[nodiscard]] std::vector<EDetector::Channel> get_channels(Reader& in, std::uint8_t version);

}  // namespace driftd::drift
