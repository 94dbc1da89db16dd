// Engine: where a script sees only one slot.
#include <algorithm>
#include <iterator>

#include "core/engine/engine.hpp"

namespace dlock::core {

// All other code speaks of one counter.
void Engine::name_fence(Command& command) const {
  if (!has_slots_ && settings_.fence_key == fence_key) {
    return;
  }
  const auto counter_of = [this](std::string_view lock) {
    return has_slots_ ? fence_key_behind_endpoint(slot_of(lock)) : settings_.fence_key;
  };
  if (command.lock) {
    command.lock->own_fence_key = counter_of(command.lock->lock);
    return;
  }
  const auto counter = std::find(command.keys.begin(), command.keys.end(), fence_key);
  if (counter == command.keys.end()) {
    return;
  }
  const std::string_view first_lock = command.renewals.empty()
                                          ? command.keys[counter == command.keys.begin() ? 1 : 0]
                                          : command.renewals.front().lock.text();
  *counter = counter_of(first_lock);
}

// A call renews leases of one slot. Returns the others.
std::vector<CohortPtr> Engine::split_off_other_slots(std::vector<CohortPtr>& due) {
  const auto slot = slot_of(due.front()->lock.key);
  const auto is_other = [&](const CohortPtr& cohort) { return slot_of(cohort->lock.key) != slot; };
  std::vector<CohortPtr> rest;
  std::copy_if(due.begin(), due.end(), std::back_inserter(rest), is_other);
  std::erase_if(due, is_other);
  return rest;
}

// An exchange gives up a lease of this engine. A gate may know the token already.
bool Engine::may_move(const Cohort& cohort) const {
  if (cohort.waiters.empty() || cohort.replaces != 0) {
    return false;
  }
  const auto& gate = cohort.waiters.front().request.gate;
  return !gate || (gate->token.empty() && cohort.attempt && !cohort.attempt->was_sent());
}

std::vector<std::pair<WaiterId, AcquireRequest>> Engine::take_waits(Instant now) {
  std::vector<std::pair<WaiterId, AcquireRequest>> taken;
  for (const auto& cohort : std::vector<CohortPtr>{cohorts_.begin(), cohorts_.end()}) {
    if (!may_move(*cohort)) {
      continue;
    }
    auto ticket = cohort->attempt ? cohort->attempt->ticket() : std::string{};
    while (!cohort->waiters.empty()) {
      auto& wait = taken.emplace_back(waiters_.take_front(*cohort));
      if (!ticket.empty() && wait.second.wait) {
        wait.second.ticket = std::exchange(ticket, {});  // the first one keeps its place
      }
    }
    cohort->attempt ? abandon_attempt(now, cohort) : erase_if_idle(cohort);
  }
  return taken;
}

}  // namespace dlock::core
