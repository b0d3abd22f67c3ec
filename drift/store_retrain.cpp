// The Store's retrain requests.
#include "drift/retrain_record.hpp"
#include "drift/store.hpp"
#include "drift/store_connection.hpp"

namespace driftd::drift {

void put_retrain(Database& db, const RetrainRequest& request, const StoreOptions& options) {
  Statement{db, "INSERT OR REPLACE INTO retrains (id, open, created_ms, record) VALUES (?, ?, ?, ?)"}
      .bind(request.id)
      .bind(is_open(request.status) ? 1 : 0)
      .bind(request.created_ms)
      .bind(encode(request))
      .step();
  const auto excess = db.integer("SELECT count(*) FROM retrains") - static_cast<std::int64_t>(options.max_retrains);
  if (excess <= 0) return;
  const std::string oldest = "(SELECT id FROM retrains WHERE open = 0 ORDER BY created_ms, id LIMIT ?)";
  Statement{db, "DELETE FROM history WHERE subject IN " + oldest}.bind(excess).step();
  Statement{db, "DELETE FROM retrains WHERE id IN " + oldest}.bind(excess).step();
}

void Store::save_retrain(const RetrainRequest& request, const News& news, std::int64_t now_ms) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    put_retrain(db, request, connection_->options);
    add_history(db, request.id, news.history);
    queue(db, news.notices, connection_->options, now_ms);
    transaction.commit();
  });
}

std::optional<RetrainRequest> Store::retrain(std::string_view id) const {
  return connection_->with([&](Database& db) -> std::optional<RetrainRequest> {
    Statement query{db, "SELECT record FROM retrains WHERE id = ?"};
    if (!query.bind(id).step()) return std::nullopt;
    return decode_retrain(query.bytes(0));
  });
}

std::vector<RetrainRequest> Store::retrains(bool only_open) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT record FROM retrains WHERE open >= ? ORDER BY created_ms DESC, id DESC"};
    query.bind(only_open ? 1 : 0);
    std::vector<RetrainRequest> all;
    while (query.step()) all.push_back(decode_retrain(query.bytes(0)));
    return all;
  });
}

}  // namespace driftd::drift
