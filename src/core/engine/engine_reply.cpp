// Engine: the server's answers to acquisitions, in replies and messages.
#include <algorithm>

#include "core/engine/engine.hpp"
#include "core/wire/sha1.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Duration passing_state_retry = milliseconds{250};
constexpr std::int64_t max_next_ms = 60'000;  ///< a waiter asks again much sooner anyway

// Whether a message ends with the proof that its author may read the lock key.
bool is_proven(std::string_view message, std::string_view seal) {
  const auto end = message.rfind(' ');
  return !seal.empty() && end != std::string_view::npos &&
         sha1_of({seal, " ", message.substr(0, end), " ", seal}).text() == message.substr(end + 1);
}

}  // namespace

void Engine::on_acquire_reply(Instant now, const Pending& pending, const Reply& reply) {
  if (pending.bare) {
    on_bare_reply(now, pending, reply);
    return;
  }
  const auto& attempt = pending.cohort->attempt;
  const bool is_current = attempt && attempt->token() == pending.token;
  if (reply.is_error) {
    on_acquire_error(now, pending, reply, is_current);
  } else if (is_current) {
    on_own_reply(now, pending, reply);
  } else {
    on_late_reply(now, pending, reply);
  }
}

void Engine::on_acquire_error(Instant now, const Pending& pending, const Reply& reply,
                              bool is_current) {
  const auto& cohort = pending.cohort;
  const bool goes_along = departures_.contains(pending.departure);
  if (is_current && reply.unknown_script) {
    ask(now, cohort, goes_along ? pending.departure : 0, true);
    return;
  }
  if (goes_along) {
    send_departure(now, pending.departure);
  }
  if (!is_current) {
    return;
  }
  if (reply.passing && cohort->attempt->waits() && !link_.on_trouble(now)) {
    cohort->attempt->ask_again(now + passing_state_retry);
    rearm(cohort);
  } else {
    const bool is_misused = reply.code == errc::not_a_lock;
    fail_front(now, cohort,
               {0, Refusal::Kind::failed, reply.code,
                is_misused ? misuse_of(cohort->lock.key) : reply.what});
  }
}

// The reply to the current request of an attempt.
void Engine::on_own_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto& cohort = pending.cohort;
  std::string_view given_up;
  const auto outcome = cohort->attempt->on_reply(reply.text, pending.sent, given_up);
  if (std::holds_alternative<Attempt::Garbled>(outcome)) {
    drop_shifted(now, pending);
    return;
  }
  link_.on_good_reply();
  if (const auto* acquired = std::get_if<Attempt::Acquired>(&outcome)) {
    if (!is_gate(cohort->lock.kind)) {
      fence_counter_.on_given(acquired->counter);
    }
    if (pending.syncs_counter) {
      fence_counter_.on_synced(pending.sent);
    }
  }
  if (!given_up.empty()) {
    finish_riding(now, pending, given_up == "released");
  }
  const bool is_busy = std::holds_alternative<Attempt::Busy>(outcome) ||
                       std::holds_alternative<Attempt::Nothing>(outcome);
  if (cohort->lock.kind == Kind::mutex) {
    contended_.note(cohort->lock.key, is_busy || !cohort->attempt->ticket().empty());
  }
  step(now, cohort, outcome);
  if (cohort->attempt && cohort->attempt->polls()) {
    watch_foreign(now, cohort);
  }
  if (std::holds_alternative<Attempt::Nothing>(outcome) && cohort->waiters.front().request.part) {
    act(Queued{cohort->waiters.front().id, true, cohort->attempt->ticket()});
  }
  if (const auto& error = link_.subscribe_error(); error && cohort->attempt &&
                                                   cohort->attempt->token() == pending.token &&
                                                   !cohort->attempt->is_asking()) {
    fail_front(now, cohort, {0, Refusal::Kind::failed, error->first, error->second});
  }
}

// A reply too late for its attempt: the grant came first, or the wait has ended.
void Engine::on_late_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto& cohort = pending.cohort;
  Words words{reply.text};
  if (words.next() != echo_of(pending.token)) {
    drop_shifted(now, pending);
    return;
  }
  link_.on_good_reply();
  std::int64_t counter = 0;
  const auto outcome = words.next();
  const bool acquired = outcome == "acquired" && parse_number(words.next(), counter);
  finish_riding(now, pending, reply.text.ends_with(" released"));
  departures_.outlive(now, pending.token);
  // A token without a hold is a departure: its release followed this request, or comes with its
  // user's.
  if (!cohort->hold || cohort->hold->record()->token != pending.token) {
    return;
  }
  if (acquired && counter == cohort->hold->record()->fence.counter) {
    cohort->hold->on_renewed(pending.sent, pending.ttl);
    rearm(cohort);
  } else if (outcome == "queued") {
    // Either the grant overtook this reply, as it can with RESP2, or the granted lease ended before
    // the request arrived, and the token waits again.
    cohort->unanswered = true;  // a loss has to take the token out of the queue
    verify(now, cohort);
  } else {
    // The granted lease ended before this request arrived; another client may have held the lock
    // since.
    give_back(now, cohort, 0, false);
    lose(now, cohort, Loss::taken);
  }
}

// The token that the request released, if there was one.
void Engine::finish_riding(Instant now, const Pending& pending, bool was_released) {
  if (pending.departure != 0) {
    departures_.finish(now, pending.departure,
                       was_released ? Released::Kind::released : Released::Kind::not_held);
  }
}

void Engine::on_grant(Instant now, std::string_view message) {
  Words words{message};
  words.next();
  const auto token = words.next();
  std::int64_t counter = 0;
  ServerTime granted;
  if (!parse_exact(words.next(), counter) || !parse_exact(words.next(), granted.us) ||
      token.size() <= token_claim_at) {
    return;
  }
  const auto found = by_token_.find(random_of(token));
  if (found == by_token_.end()) {
    // The wait has ended. If the release of its token is under way, that returns the lock;
    // otherwise release it now. The lock's name is not known here, but each token that the server
    // may know is a departure.
    for (const auto& [id, departure] : departures_.all()) {
      if (departure.token == token && !departure.sent && link_.is_connected()) {
        send_departure(now, id);
      }
    }
    return;
  }
  const auto cohort = found->second;
  if (cohort->attempt && cohort->attempt->token() == token) {
    step(now, cohort,
         cohort->attempt->on_grant(counter, granted, now,
                                   is_proven(message, cohort->attempt->seal())));
  } else if (cohort->hold && cohort->hold->record()->fence.counter != counter) {
    // The server had lost the lease, and made this client the holder anew; another client may have
    // held the lock since. With RESP2 the message may also be older than the lease.
    if (is_proven(message, cohort->seal) && counter > cohort->hold->record()->fence.counter) {
      give_back(now, cohort, 0, false);
      lose(now, cohort, Loss::taken);
    } else {
      verify(now, cohort);
    }
  }
}

// A message says that the lease is over, and its author may be wrong. The server knows the counter
// of the holder; for permits that is only a hint, so the engine asks whether they are held.
void Engine::verify(Instant now, const CohortPtr& cohort) {
  const auto& record = *cohort->hold->record();
  if (cohort->lock.kind == Kind::permits || !cohort->hold->is_recorded()) {
    renew_now(now, cohort);
  } else if (!is_asked_for(record.token)) {
    const auto ttl = cohort->hold->terms().renew
                         ? record.ttl
                         : std::max<Duration>(record.left(now), milliseconds{1});
    Attempt again{{.token = record.token, .ttl = ttl, .wait = false, .keep = true},
                  settings_.drift};
    auto& pending = send(now, again.command(cohort->lock, {}, 0));
    pending.cohort = cohort;
    pending.ttl = again.ttl();
    pending.token = record.token;
  }
}

void Engine::on_next(Instant now, Words words) {
  const auto found = by_token_.find(random_of(words.next()));
  std::int64_t in_ms = 0;
  if (found != by_token_.end() && found->second->attempt && parse_exact(words.next(), in_ms)) {
    found->second->attempt->on_next(milliseconds{std::min(in_ms, max_next_ms)}, now);
    rearm(found->second);
  }
}

}  // namespace dlock::core
