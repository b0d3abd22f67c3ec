// The one exception type that driftd throws on purpose.
//
// An Error carries a code from a closed list and a text that tells a person what to do next. Two functions, and only
// two, map codes outward: api/problem (HTTP status) and api/main (exit code). Exceptions of third-party libraries are
// translated in the file that includes the library. A broken invariant is an assert, never an Error.
#pragma once

#include <stdexcept>
#include <string>

namespace driftd {

enum class Errc {
  invalid_argument,   // the caller's request, flag or configuration makes no sense
  unsupported_media,  // bytes of a kind that is not accepted here
  undecodable,        // of an accepted kind, but damaged or cut short
  too_large,          // over a stated limit
  not_found,          // names something that does not exist
  conflict,           // another model or version than the one in use
  overloaded,         // a bounded queue is full, or a part is not ready; worth trying again
  deadline,           // the time allowed for it ran out
  no_space,           // the disk is full
  corrupt,            // stored bytes do not match their checksum or format
  internal,           // a failure of the machine or of a library that the caller cannot mend
};

class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error{message}, code_{code} {}
  [[nodiscard]] Errc code() const noexcept { return code_; }

 private:
  Errc code_;
};

}  // namespace driftd
