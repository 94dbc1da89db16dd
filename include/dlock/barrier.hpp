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

/// Lets the parties through when all have arrived, and then closes again for the next phase.
/// Thread-safe; each thread that waits is a party. The first client that uses a name says how many
/// parties there are; a client that says another number gets `UsageError`. A barrier may have the
/// name of a lock.
///
/// Nobody waits for a party that is known not to come. When a party that has arrived dies (the
/// server has not heard of it for 15 s) or stops waiting (a limit, a stop token, the end of its
/// client), the barrier is broken. All that wait, and all that arrive after that, then get
/// `Broken`, until somebody calls `reset()` or nobody has come for 10 min, as with Java's
/// `CyclicBarrier`. A party that dies before it arrives is noticed only if it had joined: the end
/// of its part breaks the barrier too. Otherwise give the wait a limit.
///
/// There is no `arrive_and_drop`: every client says the number of parties, which stays.
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
  /// Arrives, and waits for the others for at most `span`. Returns whether all arrived. If not, the
  /// barrier is broken, unless this party never reached the server in that time and so had not
  /// arrived; then `reset()` tells the others.
  template <class Rep, class Period>
  [[nodiscard]] bool arrive_and_wait_for(const std::chrono::duration<Rep, Period>& span,
                                         std::stop_token stop = {}) {
    return wait_in(detail::in_ms(span), std::move(stop));
  }
  /// Takes one of the parts, of which there are as many as parties. Until `leave()` it shows the
  /// others that this party lives, arrived or not. The part is a lease with a fence of its own,
  /// renewed like that of a lock. If it ends without `leave()`, also by an exception, the barrier
  /// is broken until `reset()`. Throws `UsageError` when all parts are taken.
  [[nodiscard]] Lease join();
  /// Gives a part back without breaking the barrier. Throws `LockLost` if it had ended.
  void leave(Lease part);
  /// Begins a new phase, with the parts that are left. Parties that wait in the present phase get
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
