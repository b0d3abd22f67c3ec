// The way out of a C codec that reports errors by longjmp. Internal to the format readers.
//
// libjpeg and libpng call an error function that must not return, and no C++ exception may cross their frames. So the
// error function calls CFailure::raise(), which jumps to the innermost attempt(), and that throws. A step given to
// attempt(), and every C++ function that the codec calls back during it, must hold no object with a destructor: a jump
// runs none. Confined to one thread.
#pragma once

#include <array>
#include <csetjmp>
#include <cstdio>
#include <string>

#include "core/error.hpp"

namespace driftd::embed {

struct CFailure {
  std::jmp_buf jump;
  std::array<char, 256> text{};

  [[noreturn]] void raise(const char* reason) {
    std::snprintf(text.data(), text.size(), "%s", reason);
    std::longjmp(jump, 1);
  }
};

// Runs step(). Throws Error{undecodable} with the codec's reason when it raised.
template <class Step>
void attempt(CFailure& failure, const char* format, const Step& step) {
  if (setjmp(failure.jump) != 0) {
    throw Error{Errc::undecodable, std::string{format} + " is damaged or cut short: " + failure.text.data()};
  }
  step();
}

}  // namespace driftd::embed
