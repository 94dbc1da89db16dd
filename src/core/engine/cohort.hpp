// Cohort: the waits, the attempt and the lease of one client for one name.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>

#include "core/engine/attempt.hpp"
#include "core/engine/hold.hpp"
#include "core/engine/timer_heap.hpp"
#include "core/engine/waiters.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/time.hpp"

namespace dlock::core {

struct Cohort;
using CohortPtr = std::shared_ptr<Cohort>;
using Cohorts = std::pmr::list<CohortPtr>;

enum class TimerKind : std::uint8_t { hold, attempt };
struct Timer {
  CohortPtr cohort;
  TimerKind kind{};
};
/// The timers of all cohorts of a client.
using Timers = TimerHeap<Timer>;

/// For a mutex, all threads of a client that want it, so that only one of them stands in the
/// server's queue; for permits, one wait and its lease; for a gate, one wait.
struct Cohort {
  std::uint64_t id = 0;
  LockId lock;
  Cohorts::iterator place;  ///< among all cohorts
  WaiterQueue waiters;
  std::shared_ptr<Attempt>
      attempt;  ///< apart, since most cohorts of a busy client have only a hold
  std::optional<Hold> hold;
  std::string seal;            ///< of the hold: proves messages about it; may be empty
  Instant since;               ///< when this client got the lease, for bounded passing
  bool unanswered = false;     ///< an acquire may still be under way on a dead connection
  bool may_reappear = false;   ///< ... and could not be stopped, and the token has the lease
  bool is_watched = false;     ///< permits: it is among those whose key the server watches
  bool is_forgotten = false;   ///< it is no longer among all cohorts
  int too_late = 0;            ///< replies that came when most of their lease had passed
  std::uint64_t replaces = 0;  ///< the departure whose token the attempt replaces
  std::uint64_t batch = 0;     ///< of an acquire_all that is not sent yet
  std::optional<Timers::Handle> attempt_timer, hold_timer;  ///< as armed
};

}  // namespace dlock::core
