/// @file
/// Mutex and RecursiveMutex: what std::timed_mutex is to threads, for programs everywhere.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/lease_source.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class ThreadHolds;
}  // namespace detail

/// A named lock that one holder has at a time, among all clients of one store. Meets Lockable and
/// TimedLockable, so `std::scoped_lock`, `std::unique_lock` and `std::lock` work. Thread-safe:
/// threads may share one object, and exclude each other through it.
///
/// There are two ways to use it. `lock()` and `unlock()` keep the lease inside the object.
/// `acquire()` and the other members of `LeaseSource` return an independent `Lease`, which belongs
/// to whoever has it. The object does not know who that is: a thread that locks the mutex again
/// while it keeps such a lease waits for itself.
///
/// Making a `Mutex` costs two small allocations and sends nothing. The destructor of a mutex that
/// is still locked releases it, as `unlock()` does.
///
/// `lock()` and `try_lock*()` throw what `LeaseSource` says: `Unreachable`, `Refused`,
/// `StoreUnusable`, `UsageError` when the calling thread has locked this object already, and
/// `Deadlock`.
class DLOCK_API Mutex : public LeaseSource {
 public:
  /// Sends nothing. Throws `UsageError` for an empty name, for a name that has more than 512 KiB
  /// with the client's prefix or begins with `dlock1:`, and for options out of range.
  Mutex(Client& client, std::string_view name, LockOptions options = {});
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  /// Waits for the lock. Throws `TimedOut` when `LockOptions::wait` is set and has passed.
  void lock();
  /// Waits for the lock. `stop` ends the wait with `Cancelled`. Throws `TimedOut` when
  /// `LockOptions::wait` is set and has passed.
  void lock(std::stop_token stop);
  /// Locks if the lock is free now. Takes at most one round trip.
  [[nodiscard]] bool try_lock();
  /// Waits for the lock for at most `span`; a span of zero or less tries once. `stop` ends the wait
  /// with `Cancelled`.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span,
                                  std::stop_token stop = {}) {
    return try_lock_in(detail::in_ms(span), std::move(stop));
  }
  /// Waits for the lock until `deadline`, which may be of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline), {});
  }
  /// Gives the lock back. Never throws: a lock that was lost, or a server that does not answer, is
  /// reported to the log. Call `lease().ensure_held()` before it where that matters.
  ///
  /// A thread that did not lock the mutex gives back what another thread locked, so that a
  /// `std::unique_lock` may move from thread to thread. Does nothing when nobody has locked it.
  void unlock() noexcept;

  /// The lease behind the calling thread's `lock()`. The reference is valid until that thread calls
  /// `unlock()`, whatever other threads do with this object. Throws `UsageError` if the calling
  /// thread did not lock it, even if another thread did.
  [[nodiscard]] const Lease& lease() const;
  /// Makes what another thread locked the calling thread's own, for `lease()` and for the detection
  /// of deadlocks. Call it after a `std::unique_lock` was moved to this thread. References that
  /// `lease()` returned stay valid. Throws `UsageError` when nobody has locked the mutex.
  void adopt();

 private:
  bool try_lock_in(std::chrono::milliseconds span, std::stop_token stop);
  std::unique_ptr<detail::ThreadHolds> holds_;
};

/// A `Mutex` that its holder may lock again; the last `unlock()` releases it. Meets Lockable and
/// TimedLockable. Thread-safe. All locking calls throw what those of `Mutex` throw, except that
/// locking it again is no error.
class DLOCK_API RecursiveMutex {
 public:
  /// Sends nothing. Throws `UsageError` as the constructor of `Mutex` does.
  RecursiveMutex(Client& client, std::string_view name, LockOptions options = {});
  ~RecursiveMutex();
  RecursiveMutex(const RecursiveMutex&) = delete;
  RecursiveMutex& operator=(const RecursiveMutex&) = delete;

  /// Waits for the lock, or adds a hold if the calling thread has locked it. Throws `TimedOut` when
  /// `LockOptions::wait` is set and has passed, and `LockLost` if the thread's hold has ended.
  void lock();
  /// Locks if the lock is free now, or adds a hold if the calling thread has locked it.
  [[nodiscard]] bool try_lock();
  /// Waits for the lock for at most `span`, or adds a hold if the calling thread has locked it.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_in(detail::in_ms(span));
  }
  /// Waits for the lock until `deadline`, which may be of any clock, or adds a hold.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline));
  }
  /// Takes one hold away. The last one gives the lock back, as `Mutex::unlock()` does.
  void unlock() noexcept;

  /// The lease behind the calling thread's holds. The reference is valid until the last `unlock()`.
  /// Throws `UsageError` if the calling thread did not lock it.
  [[nodiscard]] const Lease& lease() const;
  /// How many times the calling thread has locked it.
  [[nodiscard]] int depth() const noexcept;
  /// The name, without the client's prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool try_lock_in(std::chrono::milliseconds span);
  std::unique_ptr<detail::ThreadHolds> holds_;
};

}  // namespace dlock
