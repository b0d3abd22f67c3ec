// What a call failed with.
#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"

namespace driftd::test {

// The code of the Error that `call` throws, or nothing when it returns.
std::optional<Errc> code_of(auto&& call) {
  try {
    (void)call();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

// Its message, or "" when it returns.
std::string message_of(auto&& call) {
  try {
    (void)call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace driftd::test
