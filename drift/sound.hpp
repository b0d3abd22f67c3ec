// Whether a database file is whole: asked when it is opened, so that damage is met at the start and not in the night.
//
// Confined to one thread. Internal to this library.
#pragma once

#include "core/sqlite.hpp"

namespace driftd::drift {

// Throws Error corrupt unless every page is sound. Reads the whole file.
void require_sound(const sqlite::Database& db);

}  // namespace driftd::drift
