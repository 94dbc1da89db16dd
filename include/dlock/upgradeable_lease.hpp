/// @file
/// UpgradeableLease: a reader's lease whose holder may become the writer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
struct UpgradeableState;
}  // namespace detail

/// The lease of a reader that can become the writer without letting anybody write in between. One
/// holder at a time has such a lease, beside ordinary readers. Move-only. `const` members are
/// thread-safe; the others are for one thread at a time. The destructor releases and blocks as that
/// of `Lease` does.
class DLOCK_API UpgradeableLease {
 public:
  /// Holds nothing.
  UpgradeableLease() noexcept;
  /// For the library's own classes.
  explicit UpgradeableLease(std::shared_ptr<detail::UpgradeableState> state) noexcept;
  ~UpgradeableLease();
  /// Takes over the lease of `other`, which then holds nothing.
  UpgradeableLease(UpgradeableLease&& other) noexcept;
  /// Releases its own lease as the destructor does, and takes over that of `other`.
  UpgradeableLease& operator=(UpgradeableLease&& other) noexcept;
  UpgradeableLease(const UpgradeableLease&) = delete;
  UpgradeableLease& operator=(const UpgradeableLease&) = delete;

  /// Becomes the writer: waits until the readers have gone, before all others that wait; readers
  /// that arrive meanwhile wait behind it. Does nothing if it is the writer already. Throws
  /// `Cancelled` when `stop` ends the wait and `TimedOut` when `LockOptions::wait` has passed; the
  /// lease is then as before. Throws `LockLost` if the lease ends meanwhile.
  void upgrade(std::stop_token stop = {});
  /// Does the same, but waits for at most `span`.
  template <class Rep, class Period>
  void upgrade_within(const std::chrono::duration<Rep, Period>& span, std::stop_token stop = {}) {
    upgrade_in(detail::in_ms(span), std::move(stop));
  }
  /// Becomes the writer if there is no reader now. Takes at most one round trip.
  [[nodiscard]] bool try_upgrade();
  /// Waits for at most `span` to become the writer; a span of zero or less tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_upgrade_for(const std::chrono::duration<Rep, Period>& span,
                                     std::stop_token stop = {}) {
    return try_upgrade_in(detail::in_ms(span), std::move(stop));
  }
  /// Waits until `deadline`, which may be of any clock, to become the writer.
  template <class Clock, class Span>
  [[nodiscard]] bool try_upgrade_until(const std::chrono::time_point<Clock, Span>& deadline,
                                       std::stop_token stop = {}) {
    return try_upgrade_in(detail::until(deadline), std::move(stop));
  }
  /// Goes from the writer back to what it was before `upgrade()`. Throws what `release()` throws,
  /// and `UsageError` if it is not the writer.
  void downgrade();
  /// Whether it is the writer.
  [[nodiscard]] bool upgraded() const noexcept;

  /// The lock's name, without the client's prefix. Stays after a release.
  [[nodiscard]] std::string name() const;
  /// The token of the reader's lease, also while it is the writer. Stays after a release.
  [[nodiscard]] std::string token() const;
  /// The fencing token, as `Lease::fence()` describes it; `upgrade()` makes it greater. Stays after
  /// a release.
  [[nodiscard]] std::int64_t fence() const noexcept;
  /// A token that is requested as that of `Lease::lost()`. A writer's lease is lost when the
  /// reader's lease below it is, or what it took by `upgrade()`.
  [[nodiscard]] std::stop_token lost() const;
  /// For how long this process may still rely on the lease, less the drift margin; zero when it is
  /// over.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// Whether the lease still holds, upgraded or not.
  [[nodiscard]] bool held() const noexcept;
  /// Throws `LockLost`, with the reason, if `!held()`. Throws `UsageError` for a lease that holds
  /// nothing, and in a forked child.
  void ensure_held() const;
  /// Gives the lock back. Throws `LockLost` if the lease had ended before, and `Unreachable` if the
  /// server did not answer; the release is then repeated in the background. Does nothing for a
  /// lease that holds nothing.
  void release();
  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  friend class SharedMutex;
  void unbind() const noexcept;
  void upgrade_in(std::optional<std::chrono::milliseconds> limit, std::stop_token stop);
  bool try_upgrade_in(std::chrono::milliseconds span, std::stop_token stop);
  bool comes_to_write(std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
                      std::int64_t& place);
  std::shared_ptr<detail::UpgradeableState> state_;
  Lease past_;                   ///< the reader's, when released: its name and token
  std::int64_t past_fence_ = 0;  ///< ... and the greatest fence
};

}  // namespace dlock
