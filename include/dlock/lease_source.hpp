/// @file
/// LeaseSource: the one way to get a lease, for every kind of lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "dlock/async.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class LockSpec;
}  // namespace detail

/// What a lease can be acquired from: a `Mutex`, the reader or writer side of a `SharedMutex`, or a
/// number of permits of a `Semaphore`. Code that takes a `LeaseSource` works with all of them.
///
/// A value: copies are cheap and stand for the same lock. It stays usable after the lock object it
/// came from, and keeps the client's connection open. Thread-safe.
///
/// All calls throw `Unreachable`, `Refused` and `StoreUnusable` when the store cannot be used. The
/// calls that block also throw `UsageError` when the calling thread has locked the same object with
/// `lock()` or `lock_shared()`, and `Deadlock` when it would wait for itself through another object
/// of the same name, or is in a ring of threads that wait for each other. The asynchronous calls
/// block no thread and do not check this.
class DLOCK_API LeaseSource {
 public:
  /// Stands for the same lock.
  LeaseSource(const LeaseSource&) noexcept;
  /// Stands for the same lock from now on.
  LeaseSource& operator=(const LeaseSource&) noexcept;
  ~LeaseSource();

  /// Waits for the lock and returns its lease. `stop` ends the wait with `Cancelled`. Throws
  /// `TimedOut` when `LockOptions::wait` is set and has passed.
  [[nodiscard]] Lease acquire(std::stop_token stop = {}) const;
  /// Waits for at most `span` and returns the lease. `stop` ends the wait with `Cancelled`. Throws
  /// `TimedOut` when the lock did not come in time.
  template <class Rep, class Period>
  [[nodiscard]] Lease acquire_within(const std::chrono::duration<Rep, Period>& span,
                                     std::stop_token stop = {}) const {
    return acquire_in(detail::in_ms(span), std::move(stop));
  }
  /// Returns a lease if the lock is free now. Takes at most one round trip.
  [[nodiscard]] std::optional<Lease> try_acquire() const;
  /// Waits for at most `span` and returns a lease if the lock came in time. A span of zero or less
  /// tries once. `stop` ends the wait with `Cancelled`.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Lease> try_acquire_for(const std::chrono::duration<Rep, Period>& span,
                                                     std::stop_token stop = {}) const {
    return try_acquire_in(detail::in_ms(span), std::move(stop));
  }
  /// Waits until `deadline`, which may be of any clock, and returns a lease if the lock came in
  /// time. `stop` ends the wait with `Cancelled`.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Lease> try_acquire_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::stop_token stop = {}) const {
    return try_acquire_in(detail::until(deadline), std::move(stop));
  }

  /// Does what `acquire()` does without blocking a thread: `co_await` gives the lease, and resumes
  /// the coroutine on the client's callback thread (see `AcquireHandler`).
  [[nodiscard]] AsyncAcquire async_acquire(std::stop_token stop = {}) const;
  /// Calls `handler` with the lease or the error: `errc::cancelled` when `stop` ended the wait,
  /// `errc::timed_out` when `LockOptions::wait` has passed. Throws only when the wait cannot be
  /// started; then the handler is never called.
  void async_acquire(AcquireHandler handler, std::stop_token stop = {}) const;
  /// Does what `try_acquire_for()` does without blocking a thread: `co_await` gives the lease, if
  /// it came in time.
  template <class Rep, class Period>
  [[nodiscard]] AsyncTryAcquire async_try_acquire_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) const {
    return async_try_acquire_in(detail::in_ms(span), std::move(stop));
  }
  /// Calls `handler` with the lease or the error: `errc::timed_out` when the lock did not come
  /// within `span`. Throws only when the wait cannot be started; then the handler is never called.
  template <class Rep, class Period>
  void async_try_acquire_for(const std::chrono::duration<Rep, Period>& span, AcquireHandler handler,
                             std::stop_token stop = {}) const {
    async_try_acquire_in(detail::in_ms(span), std::move(handler), std::move(stop));
  }

  /// The lock's name, without the client's prefix.
  [[nodiscard]] const std::string& name() const noexcept;

  /// For the library's own classes: `weight` permits of `spec`, 0 for a mutex.
  LeaseSource(std::shared_ptr<const detail::LockSpec> spec, std::int64_t weight) noexcept;
  /// For the library's own classes.
  [[nodiscard]] const std::shared_ptr<const detail::LockSpec>& spec() const noexcept {
    return spec_;
  }
  /// For the library's own classes.
  [[nodiscard]] std::int64_t weight() const noexcept { return weight_; }

 private:
  Lease acquire_in(std::chrono::milliseconds span, std::stop_token stop) const;
  std::optional<Lease> try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) const;
  AsyncTryAcquire async_try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) const;
  void async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                            std::stop_token stop) const;
  std::shared_ptr<const detail::LockSpec> spec_;
  std::int64_t weight_;
};

}  // namespace dlock
