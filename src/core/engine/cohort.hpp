// Cohort: all that one client does about one name.
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
/// Of all cohorts of a client.
using Timers = std::set<Timer>;

/// Of a mutex, all threads of a client that want it, so that only one of them stands in the
/// server's queue; of permits, one wait and its lease; of a gate, one wait.
struct Cohort {
  std::uint64_t id = 0;
  LockId lock;
  WaiterQueue waiters;
  std::unique_ptr<Attempt> attempt;  ///< apart: most cohorts of a client with many only hold
  std::optional<Hold> hold;
  std::string seal;            ///< of the hold: what proves messages about it, or empty
  Instant since;               ///< when this client got the lease, for bounded passing
  bool unanswered = false;     ///< an acquire may still be under way on a dead connection
  bool may_reappear = false;   ///< ... and could not be stopped, and the token has the lease
  int too_late = 0;            ///< replies that came after most of their lease had gone
  std::uint64_t replaces = 0;  ///< the departure whose place the attempt is to take
  std::uint64_t batch = 0;     ///< of an acquire_all that was not sent yet
  std::optional<Timers::iterator> attempt_timer, hold_timer;  ///< as armed
};

}  // namespace dlock::core
