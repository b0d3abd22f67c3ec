// How a Moment is stored: part of several records.
//
// Internal to this library. Confined to one thread, as Writer and Reader are.
#pragma once

#include "drift/bytes.hpp"
#include "drift/moment.hpp"

namespace driftd::drift {

inline void put(Writer& out, const Moment& moment) {
  out.put(moment.at_ms);
  out.put(moment.image);
}

[[nodiscard]] inline Moment get_moment(Reader& in) {
  Moment moment;
  moment.at_ms = in.get<std::int64_t>();
  moment.image = in.get<std::uint64_t>();
  return moment;
}

}  // namespace driftd::drift
