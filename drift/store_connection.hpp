// What the parts of the Store share: the guarded connection, and rows written in a transaction of several parts.
//
// Confined to one thread (the one that holds the lock). Internal to this library.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/guarded.hpp"
#include "core/sqlite.hpp"
#include "drift/store.hpp"

namespace driftd::drift {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

struct Store::Connection {
  StoreOptions options;
  Guarded<Database> database;

  auto with(auto&& f) { return database.with(f); }
};

void add_history(Database& db, std::string_view subject, std::span<const HistoryEntry> entries);

// Throws Error: too_large, overloaded; see Store::save_alert.
void queue(Database& db, std::span<const Notice> notices, const StoreOptions& options, std::int64_t now_ms);

void put_retrain(Database& db, const RetrainRequest& request, const StoreOptions& options);

}  // namespace driftd::drift
