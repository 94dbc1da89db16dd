// The results of inspection as one line of text.
#include <ostream>
#include <string>

#include "core/wire/span_text.hpp"
#include "core/wire/text.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"

namespace dlock {
namespace {

std::string quoted(std::string_view name) { return "\"" + core::escaped(name) + "\""; }

std::string counted(std::size_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string end_of(const std::optional<std::chrono::milliseconds>& ttl_left) {
  return ttl_left ? ", ends in " + core::span_text(*ttl_left) : ", never ends";
}

std::string permits(std::int64_t weight) {
  return weight == 1 ? "" : " " + std::to_string(weight) + " permits";
}

std::string gate(const std::vector<Party>& joined, const std::vector<WaiterInfo>& waiters,
                 bool broken) {
  return std::string{broken ? ", broken" : ""} + ", " + counted(joined.size(), "part") +
         " joined, " + std::to_string(waiters.size()) + " waiting";
}

}  // namespace

std::string to_string(const Party& party) {
  if (party.client.empty()) {
    return "a client of another library";
  }
  if (party.host.empty()) {
    return "client " + core::escaped(party.client);
  }
  auto text = core::escaped(party.program) + " (pid " + std::to_string(party.pid) + " on " +
              core::escaped(party.host) + ")";
  return party.label.empty() ? text : text + " " + quoted(party.label);
}

std::string to_string(const WaiterInfo& waiter) {
  return to_string(waiter.party) + " waits" +
         (waiter.weight == 1 ? "" : " for" + permits(waiter.weight)) + " since " +
         core::span_text(waiter.waiting);
}

std::string to_string(LockKind kind) {
  switch (kind) {
    case LockKind::none:
      break;
    case LockKind::mutex:
      return "mutex";
    case LockKind::shared_mutex:
      return "shared mutex";
    case LockKind::semaphore:
      return "semaphore";
  }
  return "lock";
}

std::string to_string(const HolderInfo& holder) {
  return to_string(holder.party) + " holds" +
         (holder.role.empty() ? permits(holder.weight) : " as " + holder.role) + " since " +
         core::span_text(holder.since) + ", fence " + std::to_string(holder.fence) +
         end_of(holder.ttl_left);
}

std::string to_string(const LockInfo& lock) {
  auto text = to_string(lock.kind) + " " + quoted(lock.name);
  if (!lock.held) {
    text += ": free";
  } else if (lock.foreign || lock.holders.empty()) {
    text += ": held by a client of another library" + end_of(lock.ttl_left);
  } else {
    for (std::size_t i = 0; i < lock.holders.size(); ++i) {
      text += (i == 0 ? ": " : "; ") + to_string(lock.holders[i]);
    }
  }
  return text + "; " + std::to_string(lock.waiters.size()) + " waiting";
}

std::string to_string(const LatchInfo& latch) {
  return "latch " + quoted(latch.name) + ": " + std::to_string(latch.left) + " of " +
         std::to_string(latch.count) + " left" + gate(latch.joined, latch.waiters, latch.broken);
}

std::string to_string(const BarrierInfo& barrier) {
  return "barrier " + quoted(barrier.name) + ": " + std::to_string(barrier.parties) +
         " parties, phase " + std::to_string(barrier.phase) +
         gate(barrier.joined, barrier.waiters, barrier.broken);
}

std::string to_string(BreakOutcome outcome) {
  return outcome == BreakOutcome::broken ? "broken" : "not the holder any more";
}

std::string to_string(const DeadlockLink& link) {
  return to_string(link.holder) + " holds " + quoted(link.name);
}

// NOLINTBEGIN(bugprone-macro-parentheses): the types have none
#define DLOCK_WRITES(Type) \
  std::ostream& operator<<(std::ostream& out, const Type& value) { return out << to_string(value); }
DLOCK_WRITES(Party)
DLOCK_WRITES(WaiterInfo)
DLOCK_WRITES(LockKind)
DLOCK_WRITES(HolderInfo)
DLOCK_WRITES(LockInfo)
DLOCK_WRITES(LatchInfo)
DLOCK_WRITES(BarrierInfo)
DLOCK_WRITES(BreakOutcome)
DLOCK_WRITES(DeadlockLink)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace dlock
