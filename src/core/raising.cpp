// Engine: the fence of a lease that is held on several servers is written down on this one.
#include "core/engine.hpp"

namespace dlock::core {

void Engine::raise(Instant now, const LeaseRecord& lease, std::int64_t counter) {
  const auto cohort = holding(lease);
  if (!cohort) {
    return;
  }
  if (connected_) {
    ask_to_raise(now, cohort, counter, false);
  } else {
    act(Raised{lease.id, false});
  }
}

void Engine::ask_to_raise(Instant now, const CohortPtr& cohort, std::int64_t counter, bool whole) {
  const auto& hold = *cohort->hold;
  const auto ttl_ms = std::chrono::ceil<std::chrono::milliseconds>(hold.terms().ttl).count();
  Pending pending;
  pending.cohort = cohort;
  pending.ttl = hold.terms().ttl;
  pending.token = hold.record()->token;
  pending.counter = counter;
  Command command;
  command.verb = Verb::raise;
  command.whole = whole;
  command.keys = {cohort->lock.key, std::string{fence_key}};
  command.args = {pending.token, std::to_string(ttl_ms), std::to_string(counter)};
  send(now, std::move(command), std::move(pending));
}

void Engine::on_raise_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto& cohort = pending.cohort;
  const bool current = cohort->hold && cohort->hold->record()->token == pending.token;
  if (reply.is_error) {
    if (current && reply.unknown_script) {
      ask_to_raise(now, cohort, pending.counter, true);
    } else {
      act(Report{LogLevel::warning, "writing the fence failed: " + reply.what});
      raise_failed(pending);
    }
    return;
  }
  Words words{reply.text};
  if (words.next() != echo_of(pending.token)) {
    drop_shifted(now, pending);
    return;
  }
  on_good_reply();
  if (!current) {
    return;
  }
  if (words.next() == "raised") {
    const auto record = cohort->hold->record();
    record->fence.counter = pending.counter;
    cohort->hold->on_kept(pending.sent, pending.ttl);
    rearm(cohort);
    act(Raised{record->id, true});
  } else {
    lose(now, cohort, Loss::taken);
  }
}

// Its fate is unknown.
void Engine::raise_failed(const Pending& pending) {
  const auto& hold = pending.cohort->hold;
  if (hold && hold->record()->token == pending.token) {
    act(Raised{hold->record()->id, false});
  }
}

}  // namespace dlock::core
