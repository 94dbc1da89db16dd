// Engine: writes the fence of a quorum's lease on this server.
#include "core/engine/engine.hpp"

namespace dlock::core {

void Engine::write_fence(Instant now, const LeaseRecord& lease, std::int64_t counter, bool is_new) {
  const auto cohort = holding(lease);
  if (!cohort) {
    return;
  }
  if (link_.is_connected()) {
    ask_to_write_fence(now, cohort, counter, is_new, false);
  } else {
    act(FenceWritten{lease.id, false});
  }
}

void Engine::ask_to_write_fence(Instant now, const CohortPtr& cohort, std::int64_t counter,
                                bool is_new, bool whole) {
  const auto& hold = *cohort->hold;
  const auto ttl_ms = std::chrono::ceil<std::chrono::milliseconds>(hold.terms().ttl).count();
  const auto& token = hold.record()->token;
  Command command;
  command.verb = Verb::write_fence;
  command.whole = whole;
  command.kind = cohort->lock.kind;
  command.args = {token.text(), std::to_string(ttl_ms), std::to_string(counter)};
  if (command.kind == Kind::permits) {
    command.keys = keys_of_script(cohort->lock);
    command.args.emplace_back(is_new ? "new" : "used");
  } else {
    command.keys = {std::string{cohort->lock.key.text()}, std::string{fence_key}};
  }
  auto& pending = send(now, std::move(command));
  pending.cohort = cohort;
  pending.ttl = hold.terms().ttl;
  pending.token = token;
  pending.counter = counter;
  pending.is_new = is_new;
}

void Engine::on_write_fence_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto& cohort = pending.cohort;
  const bool current = cohort->hold && cohort->hold->record()->token == pending.token;
  if (reply.is_error) {
    if (current && reply.unknown_script) {
      ask_to_write_fence(now, cohort, pending.counter, pending.is_new, true);
    } else {
      act(Report{LogLevel::warning, "writing the fence failed: " + reply.what});
      write_fence_failed(pending);
    }
    return;
  }
  Words words{reply.text};
  if (words.next() != echo_of(pending.token)) {
    drop_shifted(now, pending);
    return;
  }
  const auto outcome = words.next();
  const bool passed = outcome == "passed";
  auto counter = pending.counter;
  const bool is_known =
      passed ? parse_exact(words.next(), counter) : outcome == "written" || outcome == "lost";
  if (!is_known) {
    drop_shifted(now, pending);
    return;
  }
  link_.on_good_reply();
  if (!current) {
    return;
  }
  if (outcome != "lost") {
    const auto record = cohort->hold->record();
    record->fence.counter = counter;
    cohort->hold->on_renewed(pending.sent, pending.ttl);
    rearm(cohort);
    act(FenceWritten{record->id, true, passed});
  } else {
    lose(now, cohort, Loss::taken);
  }
}

// The outcome is unknown.
void Engine::write_fence_failed(const Pending& pending) {
  const auto& hold = pending.cohort->hold;
  if (hold && hold->record()->token == pending.token) {
    act(FenceWritten{hold->record()->id, false});
  }
}

}  // namespace dlock::core
