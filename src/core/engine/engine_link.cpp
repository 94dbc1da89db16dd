// Engine: the connection, the commands on it, and its end.
#include <algorithm>

#include "core/engine/engine.hpp"

namespace dlock::core {

// Returns what stands for it until its reply comes, for the caller to complete.
Engine::Pending& Engine::send(Instant now, Command&& command) {
  name_fence(command);
  auto& pending = inflight_.emplace_back();
  pending.verb = command.verb;
  pending.sent = now;
  ++output_.counters.commands;
  output_.actions.emplace_back(std::in_place_type<Send>, std::move(command));
  return pending;
}

bool Engine::wants_connection() const {
  return attempts_ > 0 || renewing_holds_ > 0 || !departures_.empty();
}

void Engine::need_connection() {
  if (link_.connect()) {
    act(Connect{});
  }
}

// When the connection counts as dead. If it may have died before, a release leaves half of its time
// for a new connection, so that its user gets an answer.
Instant Engine::answer_due() const {
  const auto& first = inflight_.front();
  const bool is_urgent = first.verb == Verb::release && link_.is_doubtful(first.sent);
  auto due = link_.answer_due(first.sent, settings_.request_timeout / (is_urgent ? 2 : 1));
  for (const auto& call : renewals_.calls()) {
    due = std::min(due, link_.answer_due(call.sent, call.timeout));
  }
  return due;
}

// When to ask a silent server for a sign of life.
std::optional<Instant> Engine::ping_at() const {
  if (!link_.is_connected() || !inflight_.empty()) {
    return std::nullopt;
  }
  if (attempts_ > 0) {
    return link_.ping_at(Link::ping_time);
  }
  return settings_.keep_alive ? std::optional{link_.ping_at(*settings_.keep_alive)} : std::nullopt;
}

void Engine::link_timer(Instant now) {
  if (link_.is_connected() && !inflight_.empty() && answer_due() <= now) {
    renewals_.on_timeout();
    drop(now, "no reply within the request timeout");
  }
  if (const auto when = ping_at(); when && *when <= now) {
    send(now, {Verb::ping, false, {}, {}});
  }
  if (const auto when = link_.enroll_at(); when && !cohorts_.empty() && *when <= now) {
    enroll(now);
  }
  if (link_.take_reconnect(now) && wants_connection()) {
    need_connection();
  }
}

void Engine::enroll(Instant now) {
  link_.on_enrolled(now);
  const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(Link::registration_life);
  send(now, {Verb::enroll,
             false,
             {registration_key(settings_.client)},
             {settings_.registration, std::to_string(life.count())}});
}

// --- a new connection
// -----------------------------------------------------------------------------

void Engine::on_connected(Instant now, bool old_is_dead) {
  output_.counters.reconnects += link_.was_ever_connected() ? 1 : 0;
  link_.on_connected(now);
  // Before any enqueue, so that the client misses no grant.
  send(now, {Verb::subscribe, false, {channel_of(settings_.client)}, {}});
  enroll(now);
  for (const auto& cohort : cohorts_) {
    if (cohort->hold) {
      cohort->may_reappear = cohort->may_reappear || (cohort->unanswered && !old_is_dead);
      cohort->unanswered = false;
      if (settings_.watches && !cohort->hold->is_kept()) {
        doubt(now, cohort);
      }
    }
  }
  departures_.on_connected(old_is_dead);
  resume_attempts(now, old_is_dead);
  unanswered_ = false;
  renewals_.on_connected(now, timers_);
  renew_more(now);
}

// Releases go before requests, which would otherwise find the lock taken; an acquire carries the
// release of the token that it replaces.
void Engine::resume_attempts(Instant now, bool old_is_dead) {
  std::vector<CohortPtr> asking{cohorts_.begin(), cohorts_.end()};
  std::erase_if(asking, [](const CohortPtr& cohort) { return !cohort->attempt; });
  std::set<DepartureId> replaced;
  for (const auto& cohort : asking) {
    replaced.insert(cohort->replaces);
  }
  for (const auto& [id, departure] : departures_.all()) {
    if (!replaced.contains(id)) {
      send_departure(now, id);
    }
  }
  std::map<std::uint64_t, std::vector<CohortPtr>> batches;
  for (const auto& cohort : asking) {
    if (cohort->batch != 0) {
      batches[cohort->batch].push_back(cohort);
      continue;
    }
    if (cohort->unanswered && !old_is_dead && !remembers(cohort->lock.kind)) {
      leave_token_behind(now, cohort);
    }
    cohort->unanswered = false;
    ask(now, cohort, departures_.contains(cohort->replaces) ? cohort->replaces : 0, false);
  }
  for (const auto& [number, cohorts] : batches) {
    ask_all(now, cohorts, false);
  }
}

// The server may run the old request after anything that the client does now: leave it its token,
// and release that again for as long as it could hold the lock.
void Engine::leave_token_behind(Instant now, const CohortPtr& cohort) {
  auto& attempt = *cohort->attempt;
  by_token_.erase(random_of(attempt.token()));
  depart(now, {.token = attempt.token(),
               .lock = cohort->lock,
               .life = std::max(attempt.ttl(), waiter_life),
               .may_reappear = true});
  const auto token =
      token_of(bits_of(settings_.random), cohort->lock, attempt.permits(), attempt.ttl());
  by_token_[random_of(token)] = cohort;
  attempt.rename(token);
}

// --- the end of a connection
// ----------------------------------------------------------------------

void Engine::forget_connection(Instant now, const std::string& why) {
  link_.on_disconnected();
  fence_counter_.on_disconnected();
  const bool is_over = link_.on_trouble(now, why);
  take_back_inflight(now);
  renewals_.on_disconnected();
  const bool at_once = link_.may_reconnect_at_once();
  if (!at_once) {
    link_.reconnect_later(now,
                          bits_of(settings_.random));  // the last connection was no good either
  }
  if (is_over) {
    fail_all(now, errc::unreachable,
             link_.explained("the server accepts connections but does not answer"), false);
  }
  if (!wants_connection()) {
    link_.stop_reconnecting();
  } else if (at_once) {
    link_.reconnect_at_once();
    need_connection();
  }
}

// The server may or may not have run the commands without an answer.
void Engine::take_back_inflight(Instant now) {
  std::set<std::string_view> unanswered;
  for (const auto& pending : inflight_) {
    if (pending.verb == Verb::acquire) {
      unanswered.insert(pending.token);
    }
    for (const auto& part : pending.parts) {
      unanswered.insert(part.token);
    }
    if (pending.verb == Verb::write_fence) {
      write_fence_failed(pending);
    }
    if (pending.renewal) {
      for (const auto& cohort : pending.renewal->cohorts) {
        if (cohort->hold && !cohort->hold->is_queued()) {
          cohort->hold->on_unknown(now);
          rearm(cohort);
        }
      }
    }
  }
  unanswered_ = unanswered_ || !unanswered.empty();
  departures_.on_disconnected(now, [&](const Token& token) { return unanswered.contains(token); });
  for (const auto& cohort : cohorts_) {
    if (cohort->attempt) {
      cohort->unanswered = cohort->unanswered || unanswered.contains(cohort->attempt->token());
      cohort->attempt->on_disconnected();
      rearm(cohort);
    }
    if (cohort->hold && !unanswered.empty()) {
      cohort->unanswered = cohort->unanswered || unanswered.contains(cohort->hold->record()->token);
    }
  }
  inflight_.clear();
}

void Engine::drop(Instant now, const std::string& why) {
  act(Report{LogLevel::warning, "connection dropped: " + why});
  act(Disconnect{why});
  forget_connection(now, why);
}

// The reply answers another request, so the reply to `pending` is still to come.
void Engine::drop_shifted(Instant now, const Pending& pending) {
  inflight_.push_front(pending);
  drop(now, "a reply belongs to another request");
}

void Engine::on_disconnected(Instant now, const std::string& why) {
  if (link_.is_connected()) {
    act(Report{LogLevel::warning, "connection lost: " + why});
    forget_connection(now, why);
  }
}

void Engine::on_connect_failed(Instant now, errc code, const std::string& what, bool may_recover) {
  link_.on_connect_failed();
  const bool is_over = link_.on_trouble(now, what);
  act(Report{LogLevel::warning, what});
  const bool hopeless =
      code != errc::unreachable || is_over || (!may_recover && !link_.was_ever_connected());
  link_.reconnect_later(now, bits_of(settings_.random));
  fail_all(now, code, what, !hopeless);
  if (!wants_connection()) {
    link_.stop_reconnecting();
  }
}

// Ends waits: all of them, or only those that must not wait.
void Engine::fail_all(Instant now, errc code, const std::string& what, bool only_impatient) {
  for (const auto& cohort : std::vector<CohortPtr>{cohorts_.begin(), cohorts_.end()}) {
    for (auto waiter = cohort->waiters.begin(); waiter != cohort->waiters.end();) {
      const auto next = std::next(waiter);
      if (!only_impatient || !waiter->request.wait) {
        refuse(now, cohort, waiter, {waiter->id, Refusal::Kind::failed, code, what});
      } else if (waiter->request.part) {
        act(Queued{waiter->id, false});
      }
      waiter = next;
    }
  }
}

}  // namespace dlock::core
