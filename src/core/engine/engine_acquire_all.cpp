// Engine: takes many mutexes in one step, all of them or none.
#include <algorithm>
#include <iterator>

#include "core/engine/engine.hpp"

namespace dlock::core {

// Once sent, each is an acquisition of its own: if the answer does not come, the engine repeats or
// withdraws each alone. The caller must therefore expect that some are obtained and others not.
void Engine::acquire_all(Instant now, std::vector<std::pair<WaiterId, AcquireRequest>> requests) {
  const bool is_taken_here = std::any_of(requests.begin(), requests.end(), [&](const auto& entry) {
    return mutexes_.contains(entry.second.key);
  });
  if (closing_ || is_taken_here) {
    for (const auto& [waiter, request] : requests) {
      act(Refusal{waiter, closing_ ? Refusal::Kind::cancelled : Refusal::Kind::busy, {}, {}});
    }
    return;
  }
  if (!wants_connection()) {
    link_.forget_idle_trouble(now);
  }
  const auto number = ++last_id_;
  std::vector<CohortPtr> cohorts;
  for (auto& [waiter, request] : requests) {
    request.wait = false;
    const auto& cohort = cohorts.emplace_back(enter_cohort(now, waiter, std::move(request)));
    make_attempt(now, cohort);
    cohort->batch = number;
    rearm(cohort);
  }
  if (link_.is_connected()) {
    ask_all(now, cohorts, false);
  } else {
    need_connection();
  }
}

void Engine::ask_all(Instant now, const std::vector<CohortPtr>& cohorts, bool whole) {
  if (cohorts.empty()) {
    return;
  }
  std::vector<Pending> parts;
  Command command;
  command.verb = Verb::acquire_all;
  command.whole = whole;
  command.keys.emplace_back(fence_key);
  for (const auto& cohort : cohorts) {
    const auto alone = cohort->attempt->command(cohort->lock, {}, 0);
    if (command.args.empty()) {
      command.args.push_back(std::to_string(alone.lock->span_ms));
    }
    command.args.push_back(alone.lock->token.text());
    const auto keys = cohort->lock.key.all();
    command.keys.insert(command.keys.end(), {keys.lock, keys.queue, keys.seen});
    auto& part = parts.emplace_back();
    part.verb = Verb::acquire;
    part.sent = now;
    part.ttl = cohort->attempt->ttl();
    part.token = cohort->attempt->token();
    part.cohort = cohort;
    cohort->batch = 0;
    rearm(cohort);
  }
  send(now, std::move(command)).parts = std::move(parts);
}

void Engine::on_acquire_all_reply(Instant now, const Pending& pending, const Reply& reply) {
  if (reply.unknown_script) {
    std::vector<CohortPtr> again;
    for (const auto& part : pending.parts) {
      if (part.cohort->attempt && part.cohort->attempt->token() == part.token) {
        again.push_back(part.cohort);
      }
    }
    ask_all(now, again, true);
    return;
  }
  if (reply.is_error && reply.code == errc::not_a_lock) {
    // The error belongs to one of them. Asked alone, each learns whether it is the one.
    for (const auto& part : pending.parts) {
      if (part.cohort->attempt && part.cohort->attempt->token() == part.token) {
        ask(now, part.cohort, 0, false);
      }
    }
    return;
  }
  if (reply.is_error) {
    for (const auto& part : pending.parts) {
      on_acquire_reply(now, part, reply);
    }
    return;
  }
  // Gives each its own reply, once all make sense.
  Words words{reply.text};
  const bool is_ours = words.next() == echo_of(pending.parts.front().token);
  const std::string outcome{words.next()};
  const bool acquired = outcome == "acquired";
  std::vector<std::string> texts;
  for (const auto& part : pending.parts) {
    const auto counter = acquired ? words.next() : std::string_view{};
    std::int64_t number = 0;
    if (!is_ours || (acquired ? !parse_exact(counter, number) : outcome != "busy")) {
      drop_shifted(now, pending);
      return;
    }
    texts.push_back(
        std::string{echo_of(part.token)}.append(" ").append(outcome).append(" ").append(counter));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Reply alone;
    alone.text = texts[i];
    on_acquire_reply(now, pending.parts[i], alone);
  }
}

}  // namespace dlock::core
