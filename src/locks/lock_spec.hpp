// LockSpec: a lock as a handle asks for it: the client, the name, and the options, checked once.
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

#include "core/wire/permits.hpp"
#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// Immutable but for the capacity, and shared by the handle, its lease sources, and the
/// asynchronous waits they started. Thread-safe.
class LockSpec : public std::enable_shared_from_this<LockSpec> {
 public:
  /// `permits`: how many there are; 0 for a mutex. Throws `UsageError` for a name or options that
  /// make no sense.
  LockSpec(Client& owner, std::string_view lock_name, LockOptions lock_options,
           std::int64_t permits = 0);

  const std::shared_ptr<Session> client;
  const std::string name;
  const std::string key;
  const LockOptions options;
  mutable std::atomic<std::int64_t>
      capacity;  ///< how many permits there are; a semaphore changes it

  /// Throws that the calling thread has locked the same object already.
  [[noreturn]] void throw_recursion(bool is_shared) const;
  /// What an acquisition of `weight` permits asks for; none for a mutex. Throws `UsageError` if
  /// there are never that many.
  [[nodiscard]] std::optional<core::Permits> permits(std::int64_t weight) const;

  /// None: `limit` passed. Without `permits` it is a mutex.
  [[nodiscard]] std::optional<Lease> take(std::optional<std::chrono::milliseconds> limit,
                                          const std::stop_token& stop,
                                          const std::optional<core::Permits>& permits = {}) const;
  /// Within `LockOptions::wait`. Throws `TimedOut`.
  [[nodiscard]] Lease take_or_throw(const std::stop_token& stop,
                                    const std::optional<core::Permits>& permits = {}) const;
  /// In the place of `former`, in one step. Throws `LockLost` if that was over, and `UsageError`,
  /// leaving it alone, if it is another lock's.
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
                  const std::optional<core::Permits>& permits, AcquireHandler handler) const;

  /// Waits for the replicas that the options ask for. Throws if they do not come, or the leases end
  /// before; what becomes of these is the caller's business.
  void await_replicas(std::vector<std::shared_ptr<core::LeaseRecord>> records,
                      const std::stop_token& stop) const;
  /// The handle of what the client obtained.
  [[nodiscard]] Lease lease_of(std::shared_ptr<core::LeaseRecord> record) const;

 private:
  void refuse_recursion(bool waits_for_ever, const std::optional<core::Permits>& permits) const;
  [[nodiscard]] std::shared_ptr<LeaseState> obtain(
      std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
      const std::optional<core::Permits>& permits) const;
  void deliver(std::shared_ptr<core::LeaseRecord> record, const std::stop_token& stop,
               AcquireHandler handler) const;
  [[nodiscard]] AcquireResult result_of(Session::Answer& answer,
                                        std::optional<std::chrono::milliseconds> limit) const;
};

/// Leaves it to the parent if this is its forked child.
void destroy(std::shared_ptr<const LockSpec>& spec) noexcept;

}  // namespace dlock::detail
