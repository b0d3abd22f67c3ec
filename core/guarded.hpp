// A value that can only be reached while its mutex is held.
//
// Thread-safe. with(f) locks, calls f(value) and returns what f returns; f must not call back into the same Guarded.
#pragma once

#include <mutex>
#include <utility>

namespace driftd {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_{std::move(value)} {}

  template <class F>
  decltype(auto) with(F&& f) {
    const std::lock_guard lock{mutex_};
    return std::forward<F>(f)(value_);
  }
  template <class F>
  decltype(auto) with(F&& f) const {
    const std::lock_guard lock{mutex_};
    return std::forward<F>(f)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};  // guarded by mutex_
};

}  // namespace driftd
