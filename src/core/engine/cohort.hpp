// Cohort: the waits, the attempt and the lease of one client for one name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "core/engine/attempt.hpp"
#include "core/engine/hold.hpp"
#include "core/engine/waiters.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/time.hpp"

namespace dlock::core {

struct Cohort;
using CohortPtr = std::shared_ptr<Cohort>;

enum class TimerKind : std::uint8_t { hold, attempt };
struct Timer {
  Instant when;
  TimerKind kind{};
  std::uint64_t id = 0;  ///< of the cohort
  CohortPtr cohort;
  friend bool operator<(const Timer& a, const Timer& b) {
    return std::tie(a.when, a.kind, a.id) < std::tie(b.when, b.kind, b.id);
  }
};
/// The timers of all cohorts of a client.
using Timers = std::set<Timer>;

/// For a mutex, all threads of a client that want it, so that only one of them stands in the
/// server's queue; for permits, one wait and its lease; for a gate, one wait.
struct Cohort {
  std::uint64_t id = 0;
  LockId lock;
  WaiterQueue waiters;
  std::unique_ptr<Attempt>
      attempt;  ///< on the heap, since most cohorts of a busy client have only a hold
  std::optional<Hold> hold;
  std::string seal;            ///< of the hold: proves messages about it; may be empty
  Instant since;               ///< when this client got the lease, for bounded passing
  bool unanswered = false;     ///< an acquire may still be under way on a dead connection
  bool may_reappear = false;   ///< ... and could not be stopped, and the token has the lease
  int too_late = 0;            ///< replies that came when most of their lease had passed
  std::uint64_t replaces = 0;  ///< the departure whose token the attempt replaces
  std::uint64_t batch = 0;     ///< of an acquire_all that is not sent yet
  std::optional<Timers::iterator> attempt_timer, hold_timer;  ///< as armed
};

}  // namespace dlock::core
