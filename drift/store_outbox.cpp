// The Store's outbox.
#include <utility>

#include "core/error.hpp"
#include "drift/store.hpp"
#include "drift/store_connection.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kMaxReason = 256;

// Rows that the last statement changed.
std::size_t changes(Database& db) {
  return static_cast<std::size_t>(db.integer("SELECT changes()"));
}

void require_room(Database& db, std::size_t wanted, std::size_t limit) {
  const auto rows = static_cast<std::size_t>(db.integer("SELECT count(*) FROM outbox"));
  if (rows + wanted <= limit) return;
  const auto excess = rows + wanted - limit;
  Statement{db, "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE state <> 0 ORDER BY seq LIMIT ?)"}
      .bind(static_cast<std::int64_t>(excess))
      .step();
  if (changes(db) < excess) {
    throw Error{Errc::overloaded, "the outbox holds " + std::to_string(limit) +
                                      " undelivered notices (max_outbox): the targets of alerts do not answer; mend or "
                                      "remove them"};
  }
}

const std::string kColumns =
    "SELECT id, target, event, subject, payload, seq, attempts, created_ms, next_ms, state, last_error FROM outbox ";

std::vector<Delivery> rows_of(Statement& query) {
  std::vector<Delivery> all;
  while (query.step()) {
    all.push_back({{query.text(0), query.text(1), query.text(2), query.text(3), query.text(4)},
                   query.integer(5),
                   static_cast<std::size_t>(query.integer(6)),
                   query.integer(7),
                   query.integer(8),
                   static_cast<DeliveryState>(query.integer(9)),
                   query.text(10)});
  }
  return all;
}

Delivery at(Database& db, std::string_view id) {
  Statement query{db, kColumns + "WHERE id = ?"};
  query.bind(id);
  auto found = rows_of(query);
  if (found.empty()) {
    throw Error{Errc::not_found, "no notice '" + std::string{id.substr(0, 64)} +
                                     "' is in the outbox; finished ones "
                                     "make room for new ones"};
  }
  return std::move(found.front());
}

void end_attempt(Database& db, std::string_view id, DeliveryState state, std::int64_t next_ms,
                 std::string_view reason) {
  Statement update{db,
                   "UPDATE outbox SET attempts = attempts + 1, state = ?, next_ms = max(?, next_ms), "
                   "last_error = CASE ? WHEN '' THEN last_error ELSE ? END WHERE id = ?"};
  reason = reason.substr(0, kMaxReason);
  update.bind(static_cast<std::int64_t>(state)).bind(next_ms).bind(reason).bind(reason).bind(id).step();
  if (changes(db) == 0) (void)at(db, id);  // says that there is none
}

}  // namespace

void queue(Database& db, std::span<const Notice> notices, const StoreOptions& options, std::int64_t now_ms) {
  if (notices.empty()) return;
  require_room(db, notices.size(), options.max_outbox);
  Statement insert{db,
                   "INSERT INTO outbox (id, target, event, subject, payload, created_ms, next_ms) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)"};
  for (const auto& notice : notices) {
    if (notice.payload.size() > options.max_payload) {
      throw Error{Errc::too_large, "a notice of " + std::to_string(notice.payload.size()) +
                                       " bytes, over the limit of " + std::to_string(options.max_payload)};
    }
    insert.bind(notice.id).bind(notice.target).bind(notice.event).bind(notice.subject);
    insert.bind(std::as_bytes(std::span{notice.payload})).bind(now_ms).bind(now_ms).step();
    insert.reset();
  }
}

std::vector<Delivery> Store::due(std::string_view target, std::int64_t now_ms, std::size_t limit) const {
  return connection_->with([&](Database& db) {
    Statement query{db, kColumns + "WHERE state = 0 AND target = ? AND next_ms <= ? ORDER BY next_ms, seq LIMIT ?"};
    query.bind(target).bind(now_ms).bind(static_cast<std::int64_t>(limit));
    return rows_of(query);
  });
}

std::set<std::string> Store::targets_with_pending() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT DISTINCT target FROM outbox WHERE state = 0"};
    std::set<std::string> all;
    while (query.step()) all.insert(query.text(0));
    return all;
  });
}

void Store::delivered(std::string_view id) {
  connection_->with([&](Database& db) { end_attempt(db, id, DeliveryState::delivered, 0, {}); });
}

void Store::failed(std::string_view id, std::int64_t next_ms, std::string_view reason) {
  connection_->with([&](Database& db) { end_attempt(db, id, DeliveryState::pending, next_ms, reason); });
}

void Store::dead(std::string_view id, std::int64_t now_ms, std::string_view reason) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    end_attempt(db, id, DeliveryState::dead, 0, reason);
    const auto notice = at(db, id);
    const HistoryEntry entry{now_ms, std::string{kUndelivered}, "driftd",
                             notice.event + " to " + notice.target + ": " + notice.last_error};
    add_history(db, notice.subject, {&entry, 1});
    transaction.commit();
  });
}

Delivery Store::retry(std::string_view id, std::int64_t now_ms) {
  return connection_->with([&](Database& db) {
    if (at(db, id).state == DeliveryState::delivered) {
      throw Error{Errc::conflict, "this notice was delivered; there is nothing to try again"};
    }
    Statement{db, "UPDATE outbox SET state = 0, attempts = 0, next_ms = ? WHERE id = ?"}.bind(now_ms).bind(id).step();
    return at(db, id);
  });
}

Delivery Store::delivery(std::string_view id) const {
  return connection_->with([&](Database& db) { return at(db, id); });
}

std::vector<Delivery> Store::deliveries(const DeliveryQuery& wanted) const {
  return connection_->with([&](Database& db) {
    Statement query{db, kColumns + "WHERE seq < ? AND (? < 0 OR state = ?) ORDER BY seq DESC LIMIT ?"};
    const auto state = wanted.state ? static_cast<std::int64_t>(*wanted.state) : -1;
    query.bind(wanted.before).bind(state).bind(state).bind(static_cast<std::int64_t>(wanted.limit));
    return rows_of(query);
  });
}

}  // namespace driftd::drift
