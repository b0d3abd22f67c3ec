// What is done about an alert once a rule has raised it: its history is written, webhooks are told unless a silence
// keeps them back, retraining is asked for.
//
// - An alert that fires in a silence is recorded and not told. If it still fires when the silence ends, it is told
// then.
// - That an alert is over is told to whoever was told that it fired, in a silence, too.
// - With a repetition set, a firing alert that nobody has acknowledged is told again.
// Thread-safe: one lock, held from reading an alert to writing it, so that no change of its state is overwritten.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "api/notices.hpp"
#include "api/retrain_service.hpp"
#include "drift/monitor.hpp"
#include "drift/store.hpp"

namespace driftd::api {

// Who changes something, and why: for the history.
struct Author {
  std::string who;
  std::string note;
};

class AlertService {
 public:
  // Keeps references to all. `kick` is called when there is something to deliver.
  AlertService(const Notices& notices, drift::Store& store, RetrainService& retrain, std::function<void()> kick);

  // Once, after the monitor's restore(): which of its alerts were told.
  void restore(const drift::Monitor& monitor);

  // A transition, durable on return. For the monitor's on_event.
  void on_event(const drift::Monitor& monitor, drift::Alert alert, std::int64_t now_ms);
  // Now and then: tells what a silence kept back, and what is to be told again.
  void tick(const drift::Monitor& monitor, std::int64_t now_ms);

  // Each throws Error not_found for an alert that is not there.
  // Adds a line to an alert's history.
  void note(const drift::Monitor& monitor, std::string_view id, std::string_view what, const Author& author,
            const std::string& text, std::int64_t now_ms);
  drift::Alert acknowledge(drift::Monitor& monitor, std::string_view id, const Author& author, std::int64_t now_ms);
  // Silences the alert's stream: this alert, and those that it raises until then.
  void silence(const drift::Alert& alert, std::int64_t until_ms, const Author& author, std::int64_t now_ms);
  // Ends the silences of just this stream; those by a wider pattern stay.
  void unsilence(const drift::Alert& alert, const Author& author, std::int64_t now_ms);

 private:
  void save(const drift::Alert& alert, drift::News news, std::int64_t now_ms);
  void tell(const drift::Alert& alert, drift::News news, bool first, std::int64_t now_ms);

  // Constant after construction
  const Notices& notices_;
  const std::function<void()> kick_;

  // Thread-safe by themselves
  drift::Store& store_;
  RetrainService& retrain_;

  std::mutex mutex_;
  std::map<std::string, std::int64_t>
      told_;  // guarded by mutex_: firing alerts, and when they were told last; 0: never
};

}  // namespace driftd::api
