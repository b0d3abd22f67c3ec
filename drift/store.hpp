// The durable memory of a monitor in one SQLite file: alerts, windows, and the outbox of notices still to be delivered.
//
// A transition and its notices are written in one synced transaction (WAL, synchronous=FULL), so an alert is durable
// before anyone is told. Windows are written when the caller says so: a crash loses at most what was observed since.
//
// Thread-safe: one connection behind a lock. Every function throws Error: internal with SQLite's reason when the disk
// is full or fails, corrupt when stored bytes cannot be read back. Paths are not checked: give a directory that only
// this service writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "drift/monitor.hpp"

namespace driftd::drift {

struct Notice {            // what is to be sent to one configured target
  std::size_t target = 0;  // index of the target in the configuration
  std::string payload;
};

enum class DeliveryState { pending, delivered, dead };

struct Delivery {
  std::int64_t id = 0;
  std::string alert_id;
  std::size_t target = 0;
  std::string payload;
  std::size_t attempts = 0;
  std::int64_t next_ms = 0;  // not to be tried before
  DeliveryState state = DeliveryState::pending;
};

struct OutboxCounts {
  std::size_t pending = 0;
  std::size_t delivered = 0;
  std::size_t dead = 0;
};

struct StoreOptions {
  std::size_t max_outbox = 10'000;    // rows; finished ones make room first, then new notices are refused
  std::size_t max_alerts = 10'000;    // rows; the oldest resolved ones make room
  std::size_t max_payload = 1 << 20;  // bytes of one notice
};

class Store {
 public:
  // Opens or creates the file. Throws Error: conflict when a newer program wrote it or another process holds it,
  // corrupt when it is no database of ours.
  explicit Store(const std::filesystem::path& file, StoreOptions options = {});
  ~Store();

  // Inserts or replaces the alert and queues its notices, all or nothing, durable on return. Throws Error: overloaded
  // when the outbox is full of undelivered notices, too_large for a payload over its limit; then nothing is written,
  // not even the alert: save it again without notices.
  void save_alert(const Alert& alert, std::span<const Notice> notices = {}, std::int64_t now_ms = 0);

  // Replaces all windows, in one transaction.
  void save_streams(std::span<const StreamState> streams);

  // All that was saved; empty for a new file.
  [[nodiscard]] MonitorState load() const;

  // Pending notices whose time has come, the oldest first.
  [[nodiscard]] std::vector<Delivery> due(std::int64_t now_ms, std::size_t limit) const;
  // The end of an attempt. Throws Error not_found for an id that is not in the outbox.
  void delivered(std::int64_t id);
  void failed(std::int64_t id, std::int64_t next_ms);  // counts the attempt, tries again from next_ms on
  void dead(std::int64_t id);                          // counts the attempt, never tries again
  [[nodiscard]] OutboxCounts outbox() const;

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace driftd::drift
