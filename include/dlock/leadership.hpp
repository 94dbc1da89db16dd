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

/// The right to lead, for a time. Move-only; any thread may use it. `const` members and
/// `proclaim()` are thread-safe. The destructor resigns: it never throws, and blocks for at most
/// two request timeouts.
class DLOCK_API Leadership {
 public:
  /// Leads nothing.
  Leadership() noexcept;
  /// For the library's own classes.
  Leadership(Lease lease, std::unique_ptr<detail::LeaderValue> leader_value) noexcept;
  ~Leadership();
  /// Takes over the leadership of the other, which then leads nothing.
  Leadership(Leadership&&) noexcept;
  /// Resigns as the destructor does, and takes over the leadership of `other`.
  Leadership& operator=(Leadership&& other) noexcept;

  /// The fence of the leader's lease: a number that grows with each leader of this name, for
  /// resources that reject smaller ones. Stays after resigning. See `Lease::fence()` about JSON.
  [[nodiscard]] std::int64_t term() const noexcept { return lease_.fence(); }
  /// The lease of the lock behind the election, by which `dlock info` and `dlock break` know this
  /// leader.
  [[nodiscard]] const Lease& lease() const noexcept { return lease_; }
  /// A token that is requested before another can lead, by the safety margin. See `Lease::lost()`.
  [[nodiscard]] std::stop_token lost() const { return lease_.lost(); }
  /// For how long this process may still rely on leading, less the drift margin; zero when it is
  /// over.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept { return lease_.valid_for(); }
  /// Whether it still leads.
  [[nodiscard]] bool held() const noexcept { return lease_.held(); }
  /// Throws `LockLost`, with the reason, if `!held()`. Throws `UsageError` after resigning and in a
  /// forked child.
  void ensure_held() const { lease_.ensure_held(); }

  /// What was proclaimed last.
  [[nodiscard]] std::string value() const;
  /// Tells all observers a new value of at most 64 KiB of any bytes. Throws what `ensure_held()`
  /// throws, `UsageError` for a longer value, and `Unreachable` if the server did not answer; the
  /// value is then written in the background.
  void proclaim(std::string_view value);
  /// Gives the leadership up; the next candidate leads. Throws `LockLost` if it had ended before,
  /// and `Unreachable` if the server did not answer. Does nothing when it was done before.
  void resign();

  /// Whether there is something to resign from.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(lease_); }

 private:
  void give_up() noexcept;
  Lease lease_;
  std::unique_ptr<detail::LeaderValue> leader_value_;
};

}  // namespace dlock
