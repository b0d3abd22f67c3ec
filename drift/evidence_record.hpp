// How evidence is stored: part of the records of alerts and of streams.
//
// Internal to this library. Confined to one thread, as Writer and Reader are.
#pragma once

#include <vector>

#include "drift/bytes.hpp"
#include "drift/evidence.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<Evidence>& all);
[[nodiscard]] std::vector<Evidence> get_evidence(Reader& in);

}  // namespace driftd::drift
