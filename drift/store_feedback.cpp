// The Store's judgements: labels that came later, and what was predicted.
#include "drift/store.hpp"
#include "drift/store_connection.hpp"

namespace driftd::drift {

void Store::save_judgement(const Judgement& judgement) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    Statement{db,
              "INSERT INTO feedback (request_id, stream, reference, predicted, label, at_ms) VALUES (?, ?, ?, ?, ?, ?)"}
        .bind(judgement.request_id)
        .bind(judgement.stream)
        .bind(judgement.reference)
        .bind(judgement.predicted)
        .bind(judgement.label)
        .bind(judgement.at_ms)
        .step();
    Statement{db, "DELETE FROM feedback WHERE seq <= (SELECT max(seq) FROM feedback) - ?"}
        .bind(static_cast<std::int64_t>(connection_->options.max_feedback))
        .step();
    transaction.commit();
  });
}

std::vector<Judgement> Store::judgements() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT request_id, stream, reference, predicted, label, at_ms FROM feedback ORDER BY seq"};
    std::vector<Judgement> all;
    while (query.step()) {
      all.push_back({query.text(0), query.text(1), query.text(2), query.text(3), query.text(4), query.integer(5)});
    }
    return all;
  });
}

}  // namespace driftd::drift
