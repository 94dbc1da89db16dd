/// @file
/// Latch: what std::latch is to threads, for programs everywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class LockSpec;
}

/// A counter that any client may count down, and that opens for good at zero. Thread-safe. The
/// first client that uses a name makes the latch, with its count; a client that says another count
/// gets `UsageError`. A latch disappears `LatchOptions::keep` after its last use, so use a new name
/// for each occasion. It may have the name of a lock.
///
/// A program that dies before it has counted down leaves the others waiting, unless it had joined:
/// then its part ends with its ttl, and the waits end with `Broken`. Otherwise give the waits a
/// limit.
///
/// Errors: `Unreachable`, `Refused`, `StoreUnusable`, `UsageError` as said; of waits also `Broken`
/// if a part ended without being counted down and the latch is not at zero, or if the server lost
/// the latch meanwhile.
class DLOCK_API Latch {
 public:
  /// `count`: how often it must be counted down, from 1 to 2^30 - 1; all clients of one latch must
  /// say the same. Sends nothing. Throws `UsageError` for a count, name or option out of range.
  Latch(Client& client, std::string_view name, std::int64_t count, LatchOptions options = {});
  ~Latch();
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;

  /// Counts down by `n`, at least 1, but not below zero. If it returns, it has counted exactly
  /// once, whatever happened to the connection. If it throws, it may have counted.
  void count_down(std::int64_t n = 1);
  /// Takes one of the parts, of which there are as many as the count: a promise to count down. The
  /// part is a lease with a fence of its own, renewed like that of a lock. If it ends without being
  /// counted down, also by an exception, the latch is broken. Throws `UsageError` when all parts
  /// are taken.
  [[nodiscard]] Lease join();
  /// Counts down by one for a part, and gives the part back. Throws `LockLost` or `Broken`, and
  /// does not count, if the part had ended: another program may have done its work already.
  void count_down(Lease part);
  /// Whether it is at zero. One round trip.
  [[nodiscard]] bool try_wait();
  /// Waits until it is at zero; `stop` ends the wait with `Cancelled`.
  void wait(std::stop_token stop = {});
  /// Waits for at most `span`. Returns whether it is at zero.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& span,
                              std::stop_token stop = {}) {
    return wait_in(detail::in_ms(span), std::move(stop));
  }

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool wait_in(std::optional<std::chrono::milliseconds> span, std::stop_token stop);

  std::shared_ptr<const detail::LockSpec> gate_;
  std::int64_t count_;
  LatchOptions options_;
};

}  // namespace dlock
