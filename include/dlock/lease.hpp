/// @file
/// Lease: the right to act as the holder of a lock, for a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>

#include "dlock/export.h"

namespace dlock {

namespace detail {
class LeaseState;
}

/// A held lock. Move-only. Any thread may use and release it: the handle owns the lock, not the
/// thread. `const` members are thread-safe.
///
/// The destructor releases the lock. It never throws. It blocks until the server has confirmed, but
/// at most for one request timeout; a release that was not confirmed is repeated in the background
/// until the lease has run out. While a server does not answer, only the first release waits for
/// it, so that many leases take one timeout together. A thread that must not block at all, such as
/// one that runs an event loop, gives its leases to `async_release()` instead.
///
/// A lease ends: a process that is stopped for longer than `valid_for()` can act late without
/// knowing. Pass `fence()` to the resource, and let the resource reject smaller ones
/// (docs/guarantees.md).
class DLOCK_API Lease {
 public:
  /// Holds nothing.
  Lease() noexcept = default;
  /// For the library's own classes.
  explicit Lease(std::shared_ptr<detail::LeaseState> state) noexcept : state_(std::move(state)) {}
  ~Lease();
  /// Takes over the lease of `other`, which then holds nothing.
  Lease(Lease&& other) noexcept;
  /// Releases its own lease as the destructor does, and takes over that of `other`.
  Lease& operator=(Lease&& other) noexcept;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// The lock's name, without the client's prefix. Stays after a release; empty for a lease that
  /// was never acquired or was moved from.
  [[nodiscard]] std::string name() const;
  /// The random text that identifies this holder in the lock's key, without the fence. Each
  /// acquisition has a new one. Stays after a release.
  [[nodiscard]] std::string token() const;
  /// The fencing token: a number that grows with each acquisition of a name, by any client
  /// anywhere. Stays after a release; 0 for a lease that was never acquired or was moved from.
  ///
  /// It can be greater than 2^53, which JSON readers that use floating point (JavaScript) round:
  /// pass it as text there.
  [[nodiscard]] std::int64_t fence() const noexcept;
  /// A token that is requested before the lease can end (by the safety margin), or as soon as it is
  /// known to have ended. An ordinary release does not request it. Callbacks run on a thread of the
  /// library. To wait for a loss and for something else, use `wait_lost()` or `StopOnEither`.
  [[nodiscard]] std::stop_token lost() const;
  /// Blocks until the lease is lost, or `stop` is requested. Returns whether it is lost. An
  /// ordinary release does not end the wait. Throws `UsageError` for a lease that holds nothing.
  bool wait_lost(std::stop_token stop = {}) const;
  /// For how long this process may still rely on the lease: what is left by its own clock, less the
  /// drift margin. Zero when it is over.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// Whether the lease still holds: `valid_for()` is not zero, and it is not known to be lost.
  [[nodiscard]] bool held() const noexcept;
  /// Throws `LockLost`, with the reason, if `!held()`. Throws `UsageError` for a lease that holds
  /// nothing, and in a forked child.
  void ensure_held() const;
  /// Gives the lock back. Throws `LockLost` if the lease had ended before, and `Unreachable` if the
  /// server did not answer; the release is then repeated in the background until the lease has run
  /// out. Does nothing for a lease that holds nothing.
  void release();

  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept;

 protected:
  /// Notes that the calling thread will give it back, for the detection of deadlocks. A move takes
  /// that back.
  void bind() const;

 private:
  friend class detail::LeaseState;
  friend void async_release(Lease lease, std::function<void(std::error_code)> handler);
  std::shared_ptr<detail::LeaseState> state_;
};

}  // namespace dlock
