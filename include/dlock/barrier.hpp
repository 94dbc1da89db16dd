/// @file
/// Barrier: parties in programs everywhere wait for each other, again and again.
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

/// Lets the parties through when all have arrived; then it is closed again for the next phase.
/// Thread-safe; each thread that waits is a party. The first who uses a name says how many there
/// are; a client that says another number gets `UsageError`. It may have the name of a lock.
///
/// Nobody waits for a party that is known not to come: if one that has arrived dies (not heard of
/// for 15 s) or stops waiting (a limit, a stop token, the end of its client), the barrier is
/// broken. Then all who wait, and all who arrive after that, get `Broken`, until somebody calls
/// `reset()` or nobody came for 10 min; as Java's `CyclicBarrier`. A party that dies before it
/// arrives is known only if it had joined: that its part ended breaks the barrier too. Else give
/// the wait a limit.
///
/// There is no `arrive_and_drop`: the number of parties is for good, each client says it.
///
/// Errors: `Broken`, `Unreachable`, `Refused`, `StoreUnusable`, and `UsageError` as said.
class DLOCK_API Barrier {
 public:
  /// `parties`: how many must arrive, from 1 to 2^30 - 1; all clients of one barrier must say the
  /// same. Sends nothing. Throws `UsageError` for a number, name or option out of range.
  Barrier(Client& client, std::string_view name, std::int64_t parties, BarrierOptions options = {});
  ~Barrier();
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  /// Arrives, and waits for the others. `stop` ends the wait with `Cancelled`.
  void arrive_and_wait(std::stop_token stop = {});
  /// ... for at most `span`. Returns whether all arrived. If not, the barrier is broken; but not if
  /// the server did not hear of us in that time, so that we had not arrived: then `reset()` tells
  /// the others.
  template <class Rep, class Period>
  [[nodiscard]] bool arrive_and_wait_for(const std::chrono::duration<Rep, Period>& span,
                                         std::stop_token stop = {}) {
    return wait_in(detail::in_ms(span), std::move(stop));
  }
  /// Takes one of as many parts as there are parties, and shows by that, until it leaves, that it
  /// is there, arrived or not: a lease that is renewed as those of locks are, with a fence of its
  /// own. One that is released without leaving, as by an exception, counts as dead, from the phase
  /// then present on until `reset()`. `UsageError` when all are taken.
  [[nodiscard]] Lease join();
  /// Gives a part back without breaking the barrier. Throws `LockLost` if it had ended.
  void leave(Lease part);
  /// Begins a new phase, with the parts that are left. Those who wait in the present one get
  /// `Broken`.
  void reset();

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  bool wait_in(std::optional<std::chrono::milliseconds> span, std::stop_token stop);

  std::shared_ptr<const detail::LockSpec> gate_;
  std::int64_t parties_;
  BarrierOptions options_;
};

}  // namespace dlock
