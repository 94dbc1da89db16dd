/// @file
/// Stats: what a client has counted and measured.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/export.h"

namespace dlock {

/// What a lease holds.
enum class LeaseKind : std::uint8_t {
  mutex,        ///< a `Mutex`, a leadership, or a right to do work once
  reader,       ///< a `SharedMutex` beside other readers
  writer,       ///< a `SharedMutex` alone
  upgradeable,  ///< a `SharedMutex` as the reader that may become the writer
  upgrade,      ///< ... and what this reader has in addition while it is the writer
  permits,      ///< permits of a `Semaphore`
  part,         ///< a part of a `Latch` or `Barrier`
};
/// The number of kinds.
inline constexpr std::size_t lease_kinds = 7;

/// How a client got a lease.
enum class AcquiredBy : std::uint8_t {
  request,  ///< the server said so in reply to a request: most often the lock was free
  grant,    ///< another client's release made this client the holder, and the server told it
  passing,  ///< another thread of this client passed it on, without the server
};
/// The number of ways.
inline constexpr std::size_t ways_to_acquire = 3;

/// Why a lease ended before its release.
enum class LossReason : std::uint8_t {
  expired,   ///< the server confirmed no renewal before the end of its validity came near
  gone,      ///< its key was deleted, or the server lost its data
  taken,     ///< its key was overwritten
  broken,    ///< somebody broke it, as `dlock break` does
  max_hold,  ///< `LockOptions::max_hold` has passed
  time_up,   ///< it is not renewed, and its ttl has passed
};
/// The number of reasons.
inline constexpr std::size_t loss_reasons = 6;

/// The name of the value, as metrics have it: `mutex`, `permits`.
[[nodiscard]] DLOCK_API std::string_view name_of(LeaseKind value) noexcept;
/// The name of the value, as metrics have it: `request`, `grant`, `passing`.
[[nodiscard]] DLOCK_API std::string_view name_of(AcquiredBy value) noexcept;
/// The name of the value, as metrics have it: `expired`, `max_hold`.
[[nodiscard]] DLOCK_API std::string_view name_of(LossReason value) noexcept;

/// How long something took, each time: the number of times in each of some ranges.
struct Histogram {
  /// The upper bounds of the ranges, in seconds, from 0.1 ms to 500 s; the last range has none.
  static constexpr std::array<double, 21> bounds{
      0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,  0.05,  0.1,  0.2,
      0.5,    1.0,    2.0,    5.0,   10.0,  20.0,  50.0, 100.0, 200.0, 500.0};
  /// The number of times in each range, not cumulative. A bound belongs to the range below it.
  std::array<std::uint64_t, bounds.size() + 1> counts{};
  std::uint64_t count = 0;  ///< the sum of `counts`
  double sum = 0;           ///< of all times together, in seconds

  /// The time below which the share `q` (0.99) of all times was, in seconds, interpolated in its
  /// range; 0 if there are none, and the last bound if it is beyond that.
  [[nodiscard]] DLOCK_API double quantile(double q) const noexcept;
};

/// What concerns leases and waits, of one group of locks or of all.
struct LockStats {
  std::uint64_t acquired = 0;   ///< acquisitions, by whatever way
  std::uint64_t granted = 0;    ///< ... of these, by `AcquiredBy::grant`
  std::uint64_t passed = 0;     ///< ... of these, by `AcquiredBy::passing`
  std::uint64_t released = 0;   ///< releases that the server confirmed, or that were passed on
  std::uint64_t lost = 0;       ///< leases that ended while they were still wanted
  std::uint64_t timed_out = 0;  ///< waits whose limit passed, also at latches and barriers
  std::uint64_t deadlocks = 0;  ///< waits that ended with `Deadlock`
  std::uint64_t held = 0;       ///< leases held now
  std::uint64_t waiting = 0;    ///< calls under way now that want a lock, or wait at a gate
  /// Acquisitions by `LeaseKind` and `AcquiredBy`, in that order of indices.
  std::array<std::array<std::uint64_t, ways_to_acquire>, lease_kinds> acquisitions{};
  std::array<std::uint64_t, loss_reasons> losses{};  ///< by `LossReason`

  /// From the call to the lease, of each acquisition, by this machine's clock (CLOCK_BOOTTIME).
  /// Without contention this is a round trip. Waits that ended without the lock are not in it.
  Histogram wait;
  /// From the lease to the call that released it, or to its loss, by the same clock.
  Histogram hold;
  /// Of each acquisition by `AcquiredBy::grant`: from the release that made this client the holder
  /// to this client's lease, so how long the lock served nobody. The release's instant is the
  /// server's, read by its clock and moved to this machine's by an earlier reply. That makes the
  /// gap too long by what that earlier request took to the server, at most its round trip; and too
  /// long or too short by what the two clocks drifted apart since, for at most 2.5 s: usually less
  /// than 0.1 ms. It is never negative. A quorum has no grants.
  Histogram handoff_gap;
};

/// The statistics of one group of locks.
struct GroupStats : LockStats {
  std::string group;  ///< as `ClientOptions::group` says
};

/// Whether this client leads an election.
struct ElectionStats {
  std::string name;    ///< of the election, without the prefix
  bool leads = false;  ///< whether its leadership is held now
};

/// All statistics of a client since it was made. The members that it inherits are the sums over all
/// groups.
struct Stats : LockStats {
  std::uint64_t renewals = 0;        ///< renewals of leases that the server confirmed
  std::uint64_t reconnects = 0;      ///< connections made after the first
  std::uint64_t commands = 0;        ///< commands sent to the server on the shared connections
  std::uint64_t sent_bytes = 0;      ///< written to these, before any encryption
  std::uint64_t received_bytes = 0;  ///< read from these, after any decryption
  std::uint64_t dropped_events = 0;  ///< not told to `ClientOptions::on_event`, which was too slow
  /// The locks without a group have the group "". Each group that was used is listed once, ""
  /// first.
  std::vector<GroupStats> groups;
  /// The elections in which this client has campaigned: the first 64.
  std::vector<ElectionStats> elections;

  /// The number of groups besides "" that are kept apart. Later ones count as `other_group`.
  static constexpr std::size_t max_groups = 64;
  /// The name of the group of all groups beyond that.
  static constexpr std::string_view other_group = "other";
};

}  // namespace dlock
