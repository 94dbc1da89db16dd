/// @file
/// Leadership: a won election: a lease, and what its holder says to all.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "dlock/export.h"
#include "dlock/lease.hpp"

namespace dlock {

namespace detail {
class LeaderValue;
}

/// The right to lead, for a time. Move-only, for any thread; `const` members and `proclaim` are
/// thread-safe. The destructor resigns: it never throws, and blocks for at most two request
/// timeouts.
class DLOCK_API Leadership {
 public:
  /// Leads nothing.
  Leadership() noexcept;
  /// For the library's own classes.
  Leadership(Lease lease, std::unique_ptr<detail::LeaderValue> leader_value) noexcept;
  ~Leadership();
  /// Takes over; the other leads nothing then.
  Leadership(Leadership&&) noexcept;
  /// Resigns as the destructor does, and takes over.
  Leadership& operator=(Leadership&& other) noexcept;

  /// Grows with each leader of this name: the fence, for resources that refuse smaller ones.
  [[nodiscard]] std::int64_t term() const noexcept { return lease_.fence(); }
  /// The lock that is held: by it `dlock info` and `dlock break` know this leader.
  [[nodiscard]] const Lease& lease() const noexcept { return lease_; }
  /// Requested before another can lead, by the safety margin. See `Lease::lost`.
  [[nodiscard]] std::stop_token lost() const { return lease_.lost(); }
  /// See `Lease::valid_for`.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept { return lease_.valid_for(); }
  /// See `Lease::held`.
  [[nodiscard]] bool held() const noexcept { return lease_.held(); }
  /// Throws `LockLost` if `!held()`; `UsageError` after resigning or in a forked child.
  void ensure_held() const { lease_.ensure_held(); }

  /// What was proclaimed last.
  [[nodiscard]] std::string value() const;
  /// Says something else to all who observe: at most 64 KiB of any bytes. Throws as `ensure_held`,
  /// `UsageError` for more, and `Unreachable`: the new value is then written in the background.
  void proclaim(std::string_view value);
  /// Ends it; whoever campaigns next leads. Throws as `Lease::release`. Twice does nothing.
  void resign();

  /// Whether there is something to resign from.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(lease_); }

 private:
  void give_up() noexcept;
  Lease lease_;
  std::unique_ptr<detail::LeaderValue> leader_value_;
};

}  // namespace dlock
