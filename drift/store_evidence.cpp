// What was found of an alert after it fired: its breakdown and its pictures.
#include "drift/breakdown_record.hpp"
#include "drift/store_connection.hpp"

namespace driftd::drift {

bool Store::save_evidence(std::string_view alert, const Breakdown& breakdown, std::span<const Picture> added) {
  return connection_->with([&](Database& db) {
    Transaction transaction{db};
    Statement known{db, "SELECT 1 FROM alerts WHERE id = ?"};
    if (!known.bind(alert).step()) return false;
    Statement{db, "INSERT OR REPLACE INTO breakdowns (alert, record) VALUES (?, ?)"}
        .bind(alert)
        .bind(encode(breakdown))
        .step();
    Statement insert{db, "INSERT INTO pictures (alert, n, request_id, width, height, jpeg) VALUES (?, ?, ?, ?, ?, ?)"};
    for (const auto& picture : added) {
      insert.bind(alert).bind(static_cast<std::int64_t>(picture.n)).bind(picture.request_id);
      insert.bind(std::int64_t{picture.width}).bind(std::int64_t{picture.height}).bind(picture.jpeg).step();
      insert.reset();
    }
    known.reset();
    transaction.commit();
    return true;
  });
}

std::optional<Breakdown> Store::breakdown(std::string_view alert) const {
  return connection_->with([&](Database& db) -> std::optional<Breakdown> {
    Statement query{db, "SELECT record FROM breakdowns WHERE alert = ?"};
    if (!query.bind(alert).step()) return std::nullopt;
    return decode_breakdown(query.bytes(0));
  });
}

std::vector<Picture> Store::pictures(std::string_view alert) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT n, request_id, width, height FROM pictures WHERE alert = ? ORDER BY n"};
    query.bind(alert);
    std::vector<Picture> all;
    while (query.step()) {
      all.push_back({static_cast<std::size_t>(query.integer(0)),
                     query.text(1),
                     static_cast<int>(query.integer(2)),
                     static_cast<int>(query.integer(3)),
                     {}});
    }
    return all;
  });
}

std::vector<std::byte> Store::picture(std::string_view alert, std::size_t n) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT jpeg FROM pictures WHERE alert = ? AND n = ?"};
    if (!query.bind(alert).bind(static_cast<std::int64_t>(n)).step()) return std::vector<std::byte>{};
    const auto bytes = query.bytes(0);
    return std::vector<std::byte>{bytes.begin(), bytes.end()};
  });
}

}  // namespace driftd::drift
