// A damaged database is set aside under another name, so that the service starts with a fresh one and the rest of its
// data; nothing is deleted, and what can be saved of the old one can be saved by hand (sqlite3 FILE .recover).
//
// Thread-safe: free functions, for the start of the service.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace driftd::api {

// Renames the file and its journal to FILE.damaged-TIME, and says so in the log. Throws Error{internal} when that
// fails.
void set_aside(const std::filesystem::path& file, const std::string& why);

// Store{file, options}, once more with a fresh file where the first throws Error{corrupt}. Other errors pass through: a
// file of another program, a newer version, or one in use is not damaged.
template <class Store, class Options>
[[nodiscard]] Store open_or_set_aside(const std::filesystem::path& file, Options options) {
  try {
    return Store{file, options};
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    set_aside(file, error.what());
  }
  return Store{file, std::move(options)};
}

}  // namespace driftd::api
