// When something happened in a stream: by the clock and by count.
#pragma once

#include <cstdint>

namespace driftd::drift {

struct Moment {
  std::int64_t at_ms = 0;   // Unix time in milliseconds
  std::uint64_t image = 0;  // ordinal in the stream, from 1; 0 = has not happened
};

}  // namespace driftd::drift
