/// @file
/// Semaphore: at most so many permits at once, for programs everywhere.
#pragma once

#include <chrono>
#include <cstdint>
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
struct SemaphoreState;
}

/// A number of permits that all clients of one store share. Thread-safe. Served strictly in order
/// of arrival: who wants many is not overtaken by those who want few. Each acquisition is a `Lease`
/// with a fence of its own; the permits of a crashed holder come back after its ttl.
///
/// How many there are is written down by the first who holds any, for as long as somebody does; a
/// client that says another number is refused with `UsageError` until then. A semaphore and a
/// `Mutex` or `SharedMutex` cannot have the same name at the same time.
class DLOCK_API Semaphore {
 public:
  /// Throws `UsageError` as `Mutex`, and for a number of permits below 1 or above 2^30 - 1.
  Semaphore(Client& client, std::string_view name, SemaphoreOptions options = {});
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// Waits for `weight` permits; `stop` ends the wait with `Cancelled`. Throws `TimedOut` if
  /// `SemaphoreOptions::wait` is set and passes, `UsageError` if there are not so many permits at
  /// all or the store says another number, and as `Mutex`.
  [[nodiscard]] Lease acquire(std::int64_t weight = 1, std::stop_token stop = {});
  /// A lease if so many permits are free now and nobody waits before us. One round trip.
  [[nodiscard]] std::optional<Lease> try_acquire(std::int64_t weight = 1);
  /// A lease if it comes in time.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Lease> try_acquire_for(const std::chrono::duration<Rep, Period>& span,
                                                     std::int64_t weight = 1,
                                                     std::stop_token stop = {}) {
    return try_acquire_in(detail::in_ms(span), weight, std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Lease> try_acquire_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::int64_t weight = 1,
      std::stop_token stop = {}) {
    return try_acquire_in(detail::until(deadline), weight, std::move(stop));
  }

  /// `acquire()` without a thread that waits, for coroutines. As `Mutex::async_acquire()`.
  [[nodiscard]] AsyncAcquire async_acquire(std::int64_t weight = 1, std::stop_token stop = {});
  /// The same with a handler.
  void async_acquire(std::int64_t weight, AcquireHandler handler, std::stop_token stop = {});
  /// `try_acquire_for()` likewise; a span of zero or less tries once.
  template <class Rep, class Period>
  [[nodiscard]] AsyncTryAcquire async_try_acquire_for(
      const std::chrono::duration<Rep, Period>& span, std::int64_t weight = 1,
      std::stop_token stop = {}) {
    return async_try_acquire_in(detail::in_ms(span), weight, std::move(stop));
  }
  /// The same with a handler.
  template <class Rep, class Period>
  void async_try_acquire_for(const std::chrono::duration<Rep, Period>& span, std::int64_t weight,
                             AcquireHandler handler, std::stop_token stop = {}) {
    async_try_acquire_in(detail::in_ms(span), weight, std::move(handler), std::move(stop));
  }

  /// Changes the number of permits, here and for the semaphore in the store. More: they go to who
  /// waits. Fewer: holders keep theirs until they release them, and nobody gets in before enough
  /// came back. Clients that go on saying the old number are refused from their next request on;
  /// a waiter looks again within 2.5 s. Throws `UsageError` for a number out of range.
  void set_permits(std::int64_t permits);
  /// How many this object says there are.
  [[nodiscard]] std::int64_t permits() const noexcept;

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  std::optional<Lease> try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                                      std::stop_token stop);
  AsyncTryAcquire async_try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                                       std::stop_token stop);
  void async_try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                            AcquireHandler handler, std::stop_token stop);
  std::unique_ptr<detail::SemaphoreState> state_;
};

}  // namespace dlock
