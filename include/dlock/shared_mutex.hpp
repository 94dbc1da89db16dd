/// @file
/// SharedMutex: what std::shared_timed_mutex is to threads, for programs everywhere.
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
#include "dlock/upgradeable_lease.hpp"

namespace dlock {

namespace detail {
class ThreadHolds;
}

/// A reader-writer lock between all clients of one store: any number of readers, or one writer.
/// Fair to both: all are served in order of arrival, readers that come behind a waiting writer
/// wait, and readers that stand at the head together enter together. Meets SharedTimedMutex, so
/// that `std::shared_lock`, `std::unique_lock` and `std::scoped_lock` work. Thread-safe: threads
/// may share one object.
///
/// As with `Mutex` there are two ways to use it: `lock*()`/`unlock*()` keep the lease inside the
/// object; `acquire*()` and `try_acquire*()` hand out independent leases. Each is a lease with a
/// fence of its own, greater than those of all before, readers and writers. With `redis+quorum`
/// readers who hold at once have theirs in any order, upgradeable readers and downgrades are
/// refused (`UsageError`), and between those who come at about the same time there is no order.
///
/// It has nothing to do with a `Mutex` of the same name: whoever comes second gets
/// `errc::not_a_lock`.
///
/// Errors as those of `Mutex`; `UsageError` at once, of all calls that wait in the calling thread
/// or try, when it already holds this object by `lock()` or `lock_shared()`.
class DLOCK_API SharedMutex {
 public:
  /// Throws as `Mutex`.
  SharedMutex(Client& client, std::string_view name, LockOptions options = {});
  ~SharedMutex();
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  /// Waits for the writer's side, as all calls without `shared` in their names. As `Mutex::lock()`.
  void lock();
  /// As `Mutex::try_lock()`.
  [[nodiscard]] bool try_lock();
  /// As `Mutex::try_lock_for()`.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_in(detail::in_ms(span));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline));
  }
  /// Gives the writer's side back. As `Mutex::unlock()`.
  void unlock() noexcept;

  /// Waits for a reader's side. As `Mutex::lock()`.
  void lock_shared();
  /// As `Mutex::try_lock()`.
  [[nodiscard]] bool try_lock_shared();
  /// As `Mutex::try_lock_for()`.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_shared_in(detail::in_ms(span));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_shared_in(detail::until(deadline));
  }
  /// Gives a reader's side back. As `Mutex::unlock()`; by a thread that did not lock it while
  /// several others did, whose it is is not known: it is given back when the others have unlocked.
  void unlock_shared() noexcept;

  /// The lease behind the calling thread's `lock()` or `lock_shared()`. The reference is valid
  /// until the thread unlocks, whatever other threads do with this object. Throws `UsageError` if
  /// this thread did not lock it, also while others have it.
  [[nodiscard]] const Lease& lease() const;

  /// Waits for a lease of the writer. As `Mutex::acquire()`.
  [[nodiscard]] Lease acquire(std::stop_token stop = {});
  /// As `Mutex::try_acquire()`.
  [[nodiscard]] std::optional<Lease> try_acquire();
  /// As `Mutex::try_acquire_for()`.
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

  /// Waits for a lease of a reader. As `Mutex::acquire()`.
  [[nodiscard]] Lease acquire_shared(std::stop_token stop = {});
  /// As `Mutex::try_acquire()`.
  [[nodiscard]] std::optional<Lease> try_acquire_shared();
  /// As `Mutex::try_acquire_for()`.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Lease> try_acquire_shared_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    return try_acquire_shared_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Lease> try_acquire_shared_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::stop_token stop = {}) {
    return try_acquire_shared_in(detail::until(deadline), std::move(stop));
  }

  /// Waits for a lease of a reader who may become the writer: one at a time, beside readers. As
  /// `Mutex::acquire()`.
  [[nodiscard]] UpgradeableLease acquire_upgradeable(std::stop_token stop = {});
  /// As `Mutex::try_acquire()`.
  [[nodiscard]] std::optional<UpgradeableLease> try_acquire_upgradeable();
  /// As `Mutex::try_acquire_for()`.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<UpgradeableLease> try_acquire_upgradeable_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    return try_acquire_upgradeable_in(detail::in_ms(span), std::move(stop));
  }

  /// `acquire()` without a thread that waits, for coroutines. As `Mutex::async_acquire()`.
  [[nodiscard]] AsyncAcquire async_acquire(std::stop_token stop = {});
  /// The same with a handler.
  void async_acquire(AcquireHandler handler, std::stop_token stop = {});
  /// `acquire_shared()` likewise.
  [[nodiscard]] AsyncAcquire async_acquire_shared(std::stop_token stop = {});
  /// The same with a handler.
  void async_acquire_shared(AcquireHandler handler, std::stop_token stop = {});
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
  /// `try_acquire_shared_for()` likewise.
  template <class Rep, class Period>
  [[nodiscard]] AsyncTryAcquire async_try_acquire_shared_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    return async_try_acquire_shared_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a handler.
  template <class Rep, class Period>
  void async_try_acquire_shared_for(const std::chrono::duration<Rep, Period>& span,
                                    AcquireHandler handler, std::stop_token stop = {}) {
    async_try_acquire_shared_in(detail::in_ms(span), std::move(handler), std::move(stop));
  }

  /// From writer to reader in one step: nobody writes in between, and readers who stand next in
  /// line enter too. Throws `LockLost` if the lease had ended. `exclusive` is used up in any case;
  /// throws `UsageError`, and leaves it as it is, if it is not a lease of this lock.
  [[nodiscard]] Lease downgrade(Lease&& exclusive);
  /// The same for an upgradeable lease, upgraded or not.
  [[nodiscard]] Lease downgrade(UpgradeableLease&& upgradeable);

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool try_lock_in(std::chrono::milliseconds span);
  bool try_lock_shared_in(std::chrono::milliseconds span);
  std::optional<Lease> try_acquire_in(std::chrono::milliseconds span, std::stop_token stop);
  std::optional<Lease> try_acquire_shared_in(std::chrono::milliseconds span, std::stop_token stop);
  std::optional<UpgradeableLease> try_acquire_upgradeable_in(std::chrono::milliseconds span,
                                                             std::stop_token stop);
  AsyncTryAcquire async_try_acquire_in(std::chrono::milliseconds span, std::stop_token stop);
  void async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                            std::stop_token stop);
  AsyncTryAcquire async_try_acquire_shared_in(std::chrono::milliseconds span, std::stop_token stop);
  void async_try_acquire_shared_in(std::chrono::milliseconds span, AcquireHandler handler,
                                   std::stop_token stop);
  std::unique_ptr<detail::ThreadHolds> state_;
};

}  // namespace dlock
