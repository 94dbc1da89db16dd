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

/// A held lock. Move-only; may be used and released by any thread (the handle owns the lock, not
/// the thread). `const` members are thread-safe. The destructor releases: it never throws, and
/// blocks for at most one request timeout; a release whose outcome is unknown is repeated in the
/// background until the lease has run out. When one had no answer, others to the same server do not
/// wait for one until it answers again, so many leases take one timeout together. A thread that
/// must not block at all, as that of an event loop, uses `async_release`.
///
/// A lease is a promise with an end: a process that is stopped past `valid_for()` can act late.
/// Pass `fence()` to the resource and let it refuse smaller ones (docs/guarantees.md).
class DLOCK_API Lease {
 public:
  /// Holds nothing.
  Lease() noexcept = default;
  /// For the library's own classes.
  explicit Lease(std::shared_ptr<detail::LeaseState> state) noexcept : state_(std::move(state)) {}
  ~Lease();
  /// Takes over; `other` holds nothing then.
  Lease(Lease&& other) noexcept;
  /// Releases as the destructor does, and takes over.
  Lease& operator=(Lease&& other) noexcept;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// The lock's name, without the prefix. Empty for a lease that never held.
  [[nodiscard]] const std::string& name() const noexcept;
  /// What stands for this holder in the lock key, without its fence: fresh for each acquisition.
  [[nodiscard]] const std::string& token() const noexcept;
  /// The fencing token: strictly growing per name over all holders everywhere (design rule "a
  /// hybrid clock", after Kleppmann's fencing tokens). 0 for a lease that never held.
  [[nodiscard]] std::int64_t fence() const noexcept;
  /// Requested before the lease can end (by the safety margin), or as soon as it is known to have
  /// ended. Not requested by an ordinary release. Callbacks run on a thread of the library.
  [[nodiscard]] std::stop_token lost() const;
  /// What is left of the validity by our own clock, drift margin taken off; zero when it is over.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// Whether this still holds: `valid_for()` is not zero and nothing is known against it.
  [[nodiscard]] bool held() const noexcept;
  /// Throws `LockLost` if `!held()`, saying why; `UsageError` after a release or in a forked child.
  void ensure_held() const;
  /// Gives the lock back. Throws `LockLost` if the lease had ended before, `Unreachable` if the
  /// server did not answer (the release is then repeated in the background, until it runs out).
  /// Releasing twice does nothing.
  void release();

  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

 protected:
  /// The calling thread will give it back: to be found in a deadlock. A move takes that back.
  void bind() const;

 private:
  friend class detail::LeaseState;
  friend void async_release(Lease lease, std::function<void(std::error_code)> handler);
  std::shared_ptr<detail::LeaseState> state_;
};

}  // namespace dlock
