// LockSpec: the client, the name and the options of a handle's lock, checked once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"
#include "session/session.hpp"

namespace dlock::detail {

class EndedWait;

/// Immutable, except for the capacity. The handle, its lease sources and their asynchronous waits
/// share it. Thread-safe.
class LockSpec : public std::enable_shared_from_this<LockSpec> {
 public:
  /// `permits` is the number of permits; 0 for a mutex. Throws `UsageError` for a name or options
  /// that make no sense.
  LockSpec(Client& owner, std::string_view lock_name, LockOptions lock_options,
           std::int64_t permits = 0);

  const std::shared_ptr<Session> client;

  const std::string name;
  const core::Key key;
  const core::GroupId group;  ///< in the client's statistics
  const LockOptions options;
  mutable std::atomic<std::int64_t> capacity;  ///< the number of permits; a semaphore changes it

  /// For calls of the session.
  [[nodiscard]] Session::Wanted wanted() const { return {key, options, group}; }
  /// Throws: the calling thread has locked the same object already.
  [[noreturn]] void throw_recursion(bool is_shared) const;
  /// The terms of an acquisition of `weight` permits; none for a mutex. Throws `UsageError` if the
  /// lock has fewer.
  [[nodiscard]] std::optional<core::Permits> permits(std::int64_t weight) const;

  /// None: `limit` passed, and `place` is that in the queue. Without `permits` it is a mutex.
  [[nodiscard]] std::optional<Lease> take(std::optional<std::chrono::milliseconds> limit,
                                          const std::stop_token& stop,
                                          const std::optional<core::Permits>& permits = {},
                                          std::int64_t* place = nullptr) const;
  /// Within `LockOptions::wait`. Throws `TimedOut`.
  [[nodiscard]] Lease take_or_throw(const std::stop_token& stop,
                                    const std::optional<core::Permits>& permits = {}) const {
    return take_or_throw(options.wait, stop, permits);
  }
  /// Within `limit`. Throws `TimedOut`.
  [[nodiscard]] Lease take_or_throw(std::optional<std::chrono::milliseconds> limit,
                                    const std::stop_token& stop,
                                    const std::optional<core::Permits>& permits) const;
  /// Replaces `former` in one step. Throws `LockLost` if that was over, and `UsageError`, without
  /// touching it, if it is of another lock.
  [[nodiscard]] Lease exchange(Lease&& former, const core::Permits& permits) const;
  /// As `take_or_throw`, for a coroutine or a handler.
  [[nodiscard]] AsyncAcquire async_acquire(const std::optional<core::Permits>& permits,
                                           std::stop_token stop) const;
  void async_acquire(const std::optional<core::Permits>& permits, AcquireHandler handler,
                     const std::stop_token& stop) const;
  /// As `take`.
  [[nodiscard]] AsyncTryAcquire async_try_acquire(const std::optional<core::Permits>& permits,
                                                  std::chrono::milliseconds limit,
                                                  std::stop_token stop) const;
  void async_take(std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
                  const std::optional<core::Permits>& permits, AcquireHandler handler,
                  std::shared_ptr<EventLoop::Executor> executor = {}) const;

  /// Waits for the replicas that the options ask for. Throws if there are too few, or the leases
  /// end before; the caller keeps the leases.
  void await_replicas(std::vector<std::shared_ptr<core::LeaseRecord>> records,
                      const std::stop_token& stop) const;
  /// What the error of a wait that ended in vain knows.
  [[nodiscard]] std::shared_ptr<const EndedWait> ended_wait(std::int64_t place) const;
  /// Makes the handle of a lease.
  [[nodiscard]] Lease lease_of(std::shared_ptr<core::LeaseRecord> record) const;

 private:
  void refuse_recursion(bool waits_for_ever, const std::optional<core::Permits>& permits) const;
  [[nodiscard]] std::shared_ptr<LeaseState> obtain(std::optional<std::chrono::milliseconds> limit,
                                                   const std::stop_token& stop,
                                                   const std::optional<core::Permits>& permits,
                                                   std::int64_t& place) const;
  [[nodiscard]] std::shared_ptr<core::LeaseRecord> wait_for(
      std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
      const std::optional<core::Permits>& permits, bool may_deadlock, std::int64_t& place) const;
  void emit(Event::Kind kind, core::Instant begin, const std::optional<core::Permits>& permits,
            std::int64_t place) const;
  void deliver(std::shared_ptr<core::LeaseRecord> record, const std::stop_token& stop,
               AcquireHandler handler) const;
  [[nodiscard]] AcquireResult result_of(Session::Answer& answer,
                                        std::optional<std::chrono::milliseconds> limit) const;
};

/// Leaves it to the parent in a forked child.
void destroy(std::shared_ptr<const LockSpec>& spec) noexcept;

}  // namespace dlock::detail
