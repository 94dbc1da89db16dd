/// @file
/// SharedMutex: what std::shared_timed_mutex is to threads, for programs everywhere.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/lease_source.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"
#include "dlock/upgradeable_lease.hpp"

namespace dlock {

namespace detail {
class ThreadHolds;
}

/// A reader-writer lock between all clients of one store: any number of readers, or one writer. It
/// is fair to both: all are served in order of arrival, readers that arrive behind a waiting writer
/// wait, and readers that stand at the head of the queue together enter together. Meets
/// SharedTimedMutex, so `std::shared_lock`, `std::unique_lock` and `std::scoped_lock` work.
/// Thread-safe: threads may share one object.
///
/// There are two ways to use it. `lock()`, `lock_shared()` and their like keep the lease inside the
/// object. `writer()` and `reader()` return a `LeaseSource`, which hands out independent leases;
/// the mutex itself is the source of its writers. Each lease has a fence of its own, greater than
/// those of all leases before, of readers and writers alike.
///
/// With `redis+quorum`, readers that hold the lock together have their fences in any order, clients
/// that arrive at about the same time are served in no particular order, and upgradeable readers
/// and downgrades are refused with `UsageError`.
///
/// A `SharedMutex` and a `Mutex` of the same name are different locks on one key: whoever comes
/// second gets `errc::not_a_lock`.
///
/// All locking calls throw what `LeaseSource` says. In particular they throw `UsageError` at once
/// when the calling thread has locked this object already, by `lock()` or `lock_shared()`.
class DLOCK_API SharedMutex : public LeaseSource {
 public:
  /// Sends nothing. Throws `UsageError` for an empty name, for a name that has more than 512 KiB
  /// with the client's prefix or begins with `dlock1:`, and for options out of range.
  SharedMutex(Client& client, std::string_view name, LockOptions options = {});
  /// Releases what is still locked.
  ~SharedMutex();
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  /// The source of the writer's leases.
  [[nodiscard]] LeaseSource writer() const;
  /// The source of readers' leases.
  [[nodiscard]] LeaseSource reader() const;

  /// Waits until it can lock as the writer. Throws `TimedOut` when `LockOptions::wait` is set and
  /// has passed.
  void lock();
  /// Locks as the writer if nobody holds the lock now. Takes at most one round trip.
  [[nodiscard]] bool try_lock();
  /// Waits for at most `span` to lock as the writer; a span of zero or less tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_in(detail::in_ms(span));
  }
  /// Waits until `deadline`, which may be of any clock, to lock as the writer.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_in(detail::until(deadline));
  }
  /// Gives back what was locked as the writer. Never throws; see `Mutex::unlock()`, also for
  /// threads that did not lock it. Does nothing when there is no writer.
  void unlock() noexcept;

  /// Waits until it can lock as a reader. Throws `TimedOut` when `LockOptions::wait` is set and has
  /// passed.
  void lock_shared();
  /// Locks as a reader if there is no writer and none waits. Takes at most one round trip.
  [[nodiscard]] bool try_lock_shared();
  /// Waits for at most `span` to lock as a reader; a span of zero or less tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& span) {
    return try_lock_shared_in(detail::in_ms(span));
  }
  /// Waits until `deadline`, which may be of any clock, to lock as a reader.
  template <class Clock, class Span>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Span>& deadline) {
    return try_lock_shared_in(detail::until(deadline));
  }
  /// Gives back what was locked as a reader. Never throws. When a thread that did not lock calls it
  /// while several others did, nobody knows whose hold is meant: it is given back when all the
  /// others have unlocked. Does nothing when there is no reader.
  void unlock_shared() noexcept;

  /// The lease behind the calling thread's `lock()` or `lock_shared()`. The reference is valid
  /// until that thread unlocks, whatever other threads do with this object. Throws `UsageError` if
  /// the calling thread did not lock it, even if others did.
  [[nodiscard]] const Lease& lease() const;

  /// Waits for the lease of a reader that can become the writer. One holder at a time has such a
  /// lease, beside ordinary readers. Throws what `LeaseSource::acquire()` throws.
  [[nodiscard]] UpgradeableLease acquire_upgradeable(std::stop_token stop = {});
  /// Waits for at most `span` for such a lease. Throws `TimedOut` if it did not come in time.
  template <class Rep, class Period>
  [[nodiscard]] UpgradeableLease acquire_upgradeable_within(
      const std::chrono::duration<Rep, Period>& span, const std::stop_token& stop = {}) {
    return acquire_upgradeable_in(detail::in_ms(span), stop);
  }
  /// Returns such a lease if it is free now. Takes at most one round trip.
  [[nodiscard]] std::optional<UpgradeableLease> try_acquire_upgradeable();
  /// Waits for at most `span` and returns such a lease if it came in time. `stop` ends the wait
  /// with `Cancelled`.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<UpgradeableLease> try_acquire_upgradeable_for(
      const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    return try_acquire_upgradeable_in(detail::in_ms(span), std::move(stop));
  }

  /// Turns the writer's lease into a reader's in one step: nobody writes in between, and readers
  /// that stand next in the queue enter too. Throws `LockLost` if the lease had ended, and
  /// `UsageError` if it is not a writer's lease of this lock. `exclusive` is left alone in the
  /// second case, and holds nothing afterwards in all others.
  [[nodiscard]] Lease downgrade(Lease&& exclusive);
  /// Turns an upgradeable lease, upgraded or not, into a reader's in one step. Throws as the other
  /// overload does.
  [[nodiscard]] Lease downgrade(UpgradeableLease&& upgradeable);

 private:
  bool try_lock_in(std::chrono::milliseconds span);
  bool try_lock_shared_in(std::chrono::milliseconds span);
  UpgradeableLease acquire_upgradeable_in(std::optional<std::chrono::milliseconds> limit,
                                          const std::stop_token& stop);
  std::optional<UpgradeableLease> try_acquire_upgradeable_in(std::chrono::milliseconds span,
                                                             std::stop_token stop);
  std::unique_ptr<detail::ThreadHolds> holds_;
};

}  // namespace dlock
