/// @file
/// ConditionVariable: what std::condition_variable_any is to threads, for programs everywhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/mutex.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class ConditionWait;
class LockSpec;
}  // namespace detail

/// Waits until another program says that something has changed that a `Mutex` guards. Thread-safe.
/// A condition variable may have the same name as a mutex, and is not tied to one; all that wait at
/// one name should use the same mutex.
///
/// A waiter enters the server's queue before it gives the mutex back, so it misses no notification
/// after that. Waits may end without a notification, as those of the standard do: use a predicate.
/// Waiters are served in order of arrival. A waiter that is gone is skipped. If a waiter dies
/// between its notification and its work, the notification is lost: where the others must go on
/// then, give `wait_for` a limit and look again.
///
/// All waits give the mutex back, and take it again before they return or throw; the
/// `std::unique_lock` may be of another client. Taking it may throw, as `Mutex::lock()` does, also
/// `TimedOut` when `LockOptions::wait` has passed; the lock is then not owned. Others may hold the
/// mutex in between, so `lease()` has another fence after a wait.
///
/// Errors: `Unreachable`, `Refused`, `StoreUnusable`; of waits also `LockLost` if the mutex was
/// lost before, and `UsageError` if `lock` does not own it.
class DLOCK_API ConditionVariable {
 public:
  /// The lock that waits release and acquire again.
  using Lock = std::unique_lock<Mutex>;

  /// Sends nothing. Throws `UsageError` as the constructor of `Mutex` does.
  ConditionVariable(Client& client, std::string_view name);
  ~ConditionVariable();
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;

  /// Wakes the waiter that has waited longest, if there is one.
  void notify_one();
  /// Wakes all that wait now.
  void notify_all();

  /// Waits for a notification; may also return without one.
  void wait(Lock& lock) { static_cast<void>(wait_in(lock, {}, std::nullopt)); }
  /// Waits until `predicate()` is true. It is called with the mutex held.
  template <class Predicate>
  void wait(Lock& lock, Predicate predicate) {
    while (!predicate()) {
      wait(lock);
    }
  }
  /// Waits until `predicate()` is true or `stop` is requested. Returns `predicate()`.
  template <class Predicate>
  bool wait(Lock& lock, std::stop_token stop, Predicate predicate) {
    return wait_by(lock, stop, std::nullopt, predicate);
  }
  /// Waits for a notification for at most `span`, and then for the mutex.
  template <class Rep, class Period>
  std::cv_status wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& span) {
    return wait_in(lock, {}, detail::in_ms(span)) ? std::cv_status::no_timeout
                                                  : std::cv_status::timeout;
  }
  /// Waits until `predicate()` is true, for at most `span`. Returns `predicate()`.
  template <class Rep, class Period, class Predicate>
  bool wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& span, Predicate predicate) {
    return wait_by(lock, {}, detail::deadline_in(span), predicate);
  }
  /// Waits until `predicate()` is true or `stop` is requested, for at most `span`. Returns
  /// `predicate()`.
  template <class Rep, class Period, class Predicate>
  bool wait_for(Lock& lock, std::stop_token stop, const std::chrono::duration<Rep, Period>& span,
                Predicate predicate) {
    return wait_by(lock, stop, detail::deadline_in(span), predicate);
  }

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  template <class Predicate>
  bool wait_by(Lock& lock, const std::stop_token& stop, detail::Deadline deadline,
               Predicate& predicate) {
    while (!predicate()) {
      std::optional<std::chrono::milliseconds> span;
      bool is_over = stop.stop_requested();
      if (deadline) {
        span = detail::until(*deadline);
        is_over = is_over || *span <= span->zero();
      }
      if (is_over || !wait_in(lock, stop, span)) {
        return predicate();
      }
    }
    return true;
  }
  void notify(std::string_view most);
  /// Whether it was woken.
  bool wait_in(Lock& lock, const std::stop_token& stop,
               std::optional<std::chrono::milliseconds> span);

  friend class detail::ConditionWait;
  std::shared_ptr<const detail::LockSpec> gate_;
};

}  // namespace dlock
