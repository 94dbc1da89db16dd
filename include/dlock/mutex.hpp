/// @file
/// Mutex and RecursiveMutex: what std::timed_mutex is to threads, for programs everywhere.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class ThreadHolds;
}  // namespace detail

/// A named mutual exclusion between all clients of one store. Meets Lockable and TimedLockable, so
/// that `std::scoped_lock`, `std::unique_lock` and `std::lock` work. Thread-safe: threads may share
/// one object, and exclude each other through it.
///
/// Two ways to use it: `lock()`/`unlock()` keep the lease inside the object; `acquire()` and
/// `try_acquire*()` hand out an independent `Lease`, which belongs to whoever has it. The object
/// does not know who that is: a thread that locks again while it keeps such a lease waits for
/// itself.
///
/// Errors of all locking calls: `Unreachable`, `Refused`, `StoreUnusable`. Of those that wait in
/// the calling thread, or try, also `UsageError` when that has locked this object already, and
/// `Deadlock` when it is in a ring of waits: at once if it has locked another object of this name
/// and client, and waits without a limit. Asynchronous calls wait for nobody's thread.
class DLOCK_API Mutex {
 public:
  /// Throws `UsageError` for a name that, prefix included, is over 512 KiB or begins with
  /// `dlock1:`, and for options that make no sense.
  Mutex(Client& client, std::string_view name, LockOptions options = {});
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  /// Waits for the lock. Throws `TimedOut` if `LockOptions::wait` is set and passes.
  void lock();
  /// The same; `stop` ends the wait with `Cancelled`.
  void lock(std::stop_token stop);
  /// Takes the lock if it is free now. One round trip at most.
  [[nodiscard]] bool try_lock();
  /// Waits at most this long; a span of zero or less tries once. `stop` ends the wait with
  /// `Cancelled`.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span,
                                  std::stop_token stop = {}) {
    return try_lock_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline), {});
  }
  /// Gives the lock back. Never throws: a loss or an unreachable server goes to the log; ask
  /// `lease().ensure_held()` before, where it matters. By a thread that did not lock it, what
  /// another locked: a `std::unique_lock` may move from thread to thread. Nothing if nobody did.
  void unlock() noexcept;

  /// The lease behind the calling thread's `lock()`. The reference is valid until the thread's
  /// `unlock()`, whatever other threads do with this object. Throws `UsageError` if this thread
  /// did not lock it, also while another has it.
  [[nodiscard]] const Lease& lease() const;
  /// What was locked by another thread is the calling thread's from now on, for `lease()`, and to
  /// be found in a deadlock: for who was given a `std::unique_lock` that another thread made.
  /// References that `lease()` gave stay valid. Throws `UsageError` when nobody has locked it.
  void adopt();

  /// Waits for the lock; `stop` ends the wait with `Cancelled`. Throws `TimedOut` like `lock()`.
  [[nodiscard]] Lease acquire(std::stop_token stop = {});
  /// A lease if the lock is free now. One round trip at most.
  [[nodiscard]] std::optional<Lease> try_acquire();
  /// A lease if it comes in time. Throws `Cancelled` when `stop` ends the wait.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Lease> try_acquire_for(const std::chrono::duration<Rep, Period>& span,
                                                     std::stop_token stop = {}) {
    return try_acquire_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Lease> try_acquire_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::stop_token stop = {}) {
    return try_acquire_in(detail::until(deadline), std::move(stop));
  }

  /// `acquire()` without a thread that waits: `co_await` gives the lease, on the client's callback
  /// thread (see `AcquireHandler`). The object may be gone before the wait ends.
  [[nodiscard]] AsyncAcquire async_acquire(std::stop_token stop = {});
  /// The same with a handler; `errc::cancelled` when `stop` ends the wait, `errc::timed_out` when
  /// `LockOptions::wait` does. Throws only what keeps it from starting: then no handler is called.
  void async_acquire(AcquireHandler handler, std::stop_token stop = {});
  /// `try_acquire_for()` likewise; a span of zero or less tries once.
  template <class Rep, class Period>
  [[nodiscard]] AsyncTryAcquire async_try_acquire_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    return async_try_acquire_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a handler.
  template <class Rep, class Period>
  void async_try_acquire_for(const std::chrono::duration<Rep, Period>& span, AcquireHandler handler,
                             std::stop_token stop = {}) {
    async_try_acquire_in(detail::in_ms(span), std::move(handler), std::move(stop));
  }

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool try_lock_in(std::chrono::milliseconds span, std::stop_token stop);
  AsyncTryAcquire async_try_acquire_in(std::chrono::milliseconds span, std::stop_token stop);
  void async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                            std::stop_token stop);
  std::optional<Lease> try_acquire_in(std::chrono::milliseconds span, std::stop_token stop);
  std::unique_ptr<detail::ThreadHolds> state_;
};

/// A `Mutex` that the thread which holds it may lock again; the last `unlock()` releases. Meets
/// Lockable and TimedLockable. Thread-safe.
class DLOCK_API RecursiveMutex {
 public:
  /// As `Mutex`.
  RecursiveMutex(Client& client, std::string_view name, LockOptions options = {});
  ~RecursiveMutex();
  RecursiveMutex(const RecursiveMutex&) = delete;
  RecursiveMutex& operator=(const RecursiveMutex&) = delete;

  /// As `Mutex::lock()`, or one more hold. Throws `LockLost` if the hold to be added to has ended.
  void lock();
  /// As `Mutex::try_lock()`, or one more hold.
  [[nodiscard]] bool try_lock();
  /// As `Mutex::try_lock_for()`, or one more hold.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_in(detail::in_ms(span));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline));
  }
  /// One hold less; the last gives the lock back as `Mutex::unlock()`.
  void unlock() noexcept;

  /// As `Mutex::lease()`.
  [[nodiscard]] const Lease& lease() const;
  /// How often the calling thread holds it.
  [[nodiscard]] int depth() const noexcept;
  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool try_lock_in(std::chrono::milliseconds span);
  std::unique_ptr<detail::ThreadHolds> state_;
};

}  // namespace dlock
