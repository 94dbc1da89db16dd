/// @file
/// UpgradeableLease: a reader's lease whose holder may become the writer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
struct UpgradeableState;
}  // namespace detail

/// The right to read beside readers, of one holder at a time, who can become the writer without
/// letting anybody write in between. Move-only. `const` members are thread-safe; the others are for
/// one thread at a time. The destructor releases, as that of `Lease`.
class DLOCK_API UpgradeableLease {
 public:
  /// Holds nothing.
  UpgradeableLease() noexcept;
  /// For the library's own classes.
  explicit UpgradeableLease(std::shared_ptr<detail::UpgradeableState> state) noexcept;
  ~UpgradeableLease();
  /// Takes over; the other holds nothing then.
  UpgradeableLease(UpgradeableLease&&) noexcept;
  /// Releases as the destructor does, and takes over.
  UpgradeableLease& operator=(UpgradeableLease&& other) noexcept;
  UpgradeableLease(const UpgradeableLease&) = delete;
  UpgradeableLease& operator=(const UpgradeableLease&) = delete;

  /// Becomes the writer: waits until the readers have gone, before all others who wait; readers who
  /// come meanwhile wait behind. Nothing if it is the writer already. Throws `Cancelled` when
  /// `stop` ends the wait and `TimedOut` when `LockOptions::wait` passes (the lease is as before
  /// then), and `LockLost` if the lease ends meanwhile.
  void upgrade(std::stop_token stop = {});
  /// Becomes the writer if there is no reader now.
  [[nodiscard]] bool try_upgrade();
  /// Waits at most so long.
  template <class Rep, class Period>
  [[nodiscard]] bool try_upgrade_for(const std::chrono::duration<Rep, Period>& span,
                                     std::stop_token stop = {}) {
    return try_upgrade_in(detail::in_ms(span), std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] bool try_upgrade_until(const std::chrono::time_point<Clock, Span>& deadline,
                                       std::stop_token stop = {}) {
    return try_upgrade_in(detail::until(deadline), std::move(stop));
  }
  /// From the writer back to what it was before `upgrade()`. Throws as `Lease::release()`.
  void downgrade();
  /// Whether it is the writer.
  [[nodiscard]] bool upgraded() const noexcept;

  /// As `Lease::name()`.
  [[nodiscard]] const std::string& name() const noexcept;
  /// As `Lease::token()`: that of the reader, also while it is the writer.
  [[nodiscard]] const std::string& token() const noexcept;
  /// As `Lease::fence()`; grows by `upgrade()`.
  [[nodiscard]] std::int64_t fence() const noexcept;
  /// As `Lease::lost()`. A writer's lease is lost when either of its halves is.
  [[nodiscard]] std::stop_token lost() const;
  /// As `Lease::valid_for()`.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// As `Lease::held()`.
  [[nodiscard]] bool held() const noexcept;
  /// As `Lease::ensure_held()`.
  void ensure_held() const;
  /// As `Lease::release()`.
  void release();
  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  friend class SharedMutex;
  void unbind() const noexcept;
  bool try_upgrade_in(std::optional<std::chrono::milliseconds> limit, std::stop_token stop);
  std::shared_ptr<detail::UpgradeableState> state_;
};

}  // namespace dlock
