// Engine: acquires and releases locks without a script, where nobody waits.
#include "core/engine/engine.hpp"

namespace dlock::core {

bool Engine::begins_bare(Instant now, const Cohort& cohort) const {
  const auto& request = cohort.waiters.front().request;
  return cohort.lock.kind == Kind::mutex && !request.part && !request.recorded &&
         request.ticket.empty() && !settings_.always_scripts && !has_slots_ &&
         link_.runs_blocks() && fence_counter_.recent(now) != 0 &&
         !contended_.contains(cohort.lock.key);
}

// Only the first request of a token: a repeat could find the lock that the token gave back
// meanwhile, and there would be two holders.
bool Engine::may_acquire_bare(Instant now, const Cohort& cohort) const {
  return !cohort.attempt->was_sent() && begins_bare(now, cohort);
}

void Engine::acquire_bare(Instant now, const CohortPtr& cohort) {
  auto& pending = send(now, cohort->attempt->bare_command(cohort->lock));
  pending.cohort = cohort;
  pending.ttl = cohort->attempt->ttl();
  pending.token = cohort->attempt->token();
  pending.bare = true;
  rearm(cohort);
}

void Engine::on_bare_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto& cohort = pending.cohort;
  const bool is_current = cohort->attempt && cohort->attempt->token() == pending.token;
  if (reply.refuses_blocks) {
    link_.on_blocks_refused();
  } else if (reply.is_error) {
    on_acquire_error(now, pending, reply, is_current);
    return;
  }
  if (!reply.block) {
    // The server may or may not have run it. The script finds out.
    if (is_current) {
      ask(now, cohort, 0, false);
    }
    return;
  }
  link_.on_good_reply();
  const auto& block = *reply.block;
  const bool is_fresh = fence_counter_.may_trust(now, block.counter);
  fence_counter_.on_given(is_fresh ? block.counter : 0);
  contended_.note(cohort->lock.key, !block.was_free || block.has_queue);
  if (is_current) {
    step(now, cohort, cohort->attempt->on_block(block, pending.sent, is_fresh));
  } else {
    departures_.outlive(now, pending.token);  // the wait has ended
  }
}

// A token of which the server may still run an acquire needs the script, which knows all forms.
bool Engine::may_release_bare(Instant now, const Cohort& cohort, bool riding) const {
  return cohort.hold->is_bare() && !riding && !cohort.unanswered && !cohort.may_reappear &&
         link_.is_connected() && cohort.hold->record()->hold_off_until.load() <= now;
}

}  // namespace dlock::core
