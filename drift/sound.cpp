#include "drift/sound.hpp"

#include <string>

#include "core/error.hpp"

namespace driftd::drift {

void require_sound(const sqlite::Database& db) {
  sqlite::Statement check{db, "PRAGMA quick_check(1)"};
  const auto verdict = check.step() ? check.text(0) : std::string{"no answer"};
  if (verdict != "ok")
    throw Error{Errc::corrupt, db.what() + " is damaged: " + verdict + "; restore the file from a copy"};
}

}  // namespace driftd::drift
