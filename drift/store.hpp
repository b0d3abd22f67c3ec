// The durable memory of the service in one SQLite file: alerts and their history, windows, silences, retrain requests,
// feedback, and the outbox of notices still to be delivered.
//
// A transition, its history and its notices are written in one synced transaction (WAL, synchronous=FULL), so an alert
// is durable before anyone is told. Windows are written when the caller says so: a crash loses at most what was
// observed since.
//
// Thread-safe: one connection behind a lock. Every function throws Error: internal with SQLite's reason when the disk
// is full or fails, corrupt when stored bytes cannot be read back. Paths are not checked: give a directory that only
// this service writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/breakdown.hpp"
#include "drift/delivery.hpp"
#include "drift/feedback.hpp"
#include "drift/history.hpp"
#include "drift/monitor.hpp"
#include "drift/retrain.hpp"
#include "drift/silence.hpp"

namespace driftd::drift {

struct StoreOptions {
  std::size_t max_outbox = 10'000;    // rows; finished ones make room first, then new notices are refused
  std::size_t max_alerts = 10'000;    // rows; the oldest resolved ones make room
  std::size_t max_silences = 1000;    // rows; those that are over make room, then new ones are refused
  std::size_t max_retrains = 1000;    // rows; the oldest finished ones make room
  std::size_t max_feedback = 50'000;  // rows; the oldest make room
  std::size_t max_payload = 1 << 20;  // bytes of one notice
};

// What becomes durable together with an alert or a retrain request.
struct News {
  std::vector<HistoryEntry> history;  // of the alert or the request
  std::vector<Notice> notices;
  std::optional<RetrainRequest> retrain;  // that the alert raised or joined, and what its own history gets
  std::vector<HistoryEntry> retrain_history;
};

// A page of the outbox, the newest first.
struct DeliveryQuery {
  std::optional<DeliveryState> state;
  std::int64_t before = INT64_MAX;  // Delivery::order
  std::size_t limit = 50;
};

class Store {
 public:
  // Opens or creates the file; reads all of it. Throws Error: conflict when a newer or another program wrote it or
  // another process holds it, corrupt when it is no database, or a damaged one.
  explicit Store(const std::filesystem::path& file, StoreOptions options = {});
  ~Store();

  // Inserts or replaces the alert and its news, all or nothing, durable on return. Throws Error: overloaded when the
  // outbox is full of undelivered notices, too_large for a payload over its limit; then nothing is written, not even
  // the alert: save it again without notices.
  void save_alert(const Alert& alert, const News& news = {}, std::int64_t now_ms = 0);

  // Inserts or replaces these streams' windows, in one transaction.
  void save_streams(std::span<const StreamState> streams);

  // All that was saved of alerts and windows; empty for a new file.
  [[nodiscard]] MonitorState load() const;

  // --- Evidence of an alert, found after it fired --------------------------------------------------------------------
  // Inserts or replaces the breakdown, and adds pictures; both go with the alert. False, and nothing is written, when
  // the alert has gone already.
  bool save_evidence(std::string_view alert, const Breakdown& breakdown, std::span<const Picture> added);
  [[nodiscard]] std::optional<Breakdown> breakdown(std::string_view alert) const;
  [[nodiscard]] std::vector<Picture> pictures(std::string_view alert) const;                  // without their bytes
  [[nodiscard]] std::vector<std::byte> picture(std::string_view alert, std::size_t n) const;  // empty: there is none

  // Of an alert or a retrain request, the oldest entry first.
  [[nodiscard]] std::vector<HistoryEntry> history(std::string_view subject) const;
  // When notices of an alert were last queued; alerts of which nobody was told are not in it.
  [[nodiscard]] std::map<std::string, std::int64_t> last_notified() const;

  // --- Silences ------------------------------------------------------------------------------------------------------
  // Throws Error overloaded when max_silences are still to come or active. The subject is an alert whose history gets
  // the entry, or empty.
  void save_silence(const Silence& silence, std::string_view subject, const HistoryEntry& entry);
  void remove_silences(std::span<const std::string> ids, std::string_view subject, const HistoryEntry& entry);
  [[nodiscard]] std::vector<Silence> silences() const;  // the oldest first; over ones, too, until they make room

  // --- Retrain requests ----------------------------------------------------------------------------------------------
  void save_retrain(const RetrainRequest& request, const News& news, std::int64_t now_ms);
  [[nodiscard]] std::optional<RetrainRequest> retrain(std::string_view id) const;
  [[nodiscard]] std::vector<RetrainRequest> retrains(bool only_open = false) const;  // the newest first

  // --- Feedback ------------------------------------------------------------------------------------------------------
  void save_judgement(const Judgement& judgement);
  [[nodiscard]] std::vector<Judgement> judgements() const;  // the oldest first

  // --- Outbox --------------------------------------------------------------------------------------------------------
  // Pending notices of a target whose time has come, the oldest first.
  [[nodiscard]] std::vector<Delivery> due(std::string_view target, std::int64_t now_ms, std::size_t limit) const;
  [[nodiscard]] std::set<std::string> targets_with_pending() const;
  // The end of an attempt. Throws Error not_found for an id that is not in the outbox.
  void delivered(std::string_view id);
  void failed(std::string_view id, std::int64_t next_ms, std::string_view reason);  // to be tried again from next_ms on
  void dead(std::string_view id, std::int64_t now_ms, std::string_view reason);     // never again; noted in the history
  // Makes a pending or dead notice due, with all attempts before it. Throws Error: not_found, conflict for one that was
  // delivered.
  Delivery retry(std::string_view id, std::int64_t now_ms);
  [[nodiscard]] Delivery delivery(std::string_view id) const;  // throws Error not_found
  [[nodiscard]] std::vector<Delivery> deliveries(const DeliveryQuery& query) const;

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace driftd::drift
