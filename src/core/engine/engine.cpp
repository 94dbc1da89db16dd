// Engine: the routing of events.
#include "core/engine/engine.hpp"

#include <algorithm>

namespace dlock::core {
namespace {

constexpr int max_steps = 64;  ///< at one instant, so that the caller reads replies in time

}  // namespace

Engine::Engine(Settings settings)
    : settings_(std::move(settings)),
      departures_(output_, settings_.request_timeout),
      renewals_(settings_.request_timeout),
      link_(settings_.patience),
      last_id_(settings_.last_id) {
  if (settings_.statistics) {
    output_.statistics = settings_.statistics;
  }
}
Engine::~Engine() = default;

std::vector<Action> Engine::take_actions() { return std::exchange(output_.actions, {}); }

// --- timers -------------------------------------------------------------------------------------

void Engine::arm(const CohortPtr& cohort, TimerKind kind, std::optional<Timers::Handle>& slot,
                 std::optional<Instant> when) {
  if (when && slot) {
    if (timers_.when(*slot) != *when) {
      timers_.move(*slot, *when);
    }
  } else if (when) {
    // Of one instant, holds come before attempts.
    const auto number = (static_cast<std::uint64_t>(kind) << 63) | cohort->id;
    slot = timers_.add(*when, number, {cohort, kind});
  } else if (slot) {
    timers_.remove(*std::exchange(slot, std::nullopt));
  }
}

void Engine::rearm(const CohortPtr& cohort) {
  if (cohort->attempt || cohort->attempt_timer) {
    arm(cohort, TimerKind::attempt, cohort->attempt_timer,
        cohort->attempt && link_.is_connected() ? cohort->attempt->timer() : std::nullopt);
  }
  if (cohort->hold || cohort->hold_timer) {
    arm(cohort, TimerKind::hold, cohort->hold_timer,
        cohort->hold ? std::optional{cohort->hold->timer()} : std::nullopt);
  }
}

void Engine::erase_if_idle(const CohortPtr& cohort) {
  if (!cohort->waiters.empty() || cohort->attempt || cohort->hold || cohort->is_forgotten) {
    return;
  }
  rearm(cohort);
  if (cohort->lock.kind == Kind::mutex) {
    mutexes_.erase(cohort->lock.key);
  }
  cohort->is_forgotten = true;
  cohorts_.erase(cohort->place);
}

std::optional<Instant> Engine::next_timer() const {
  std::optional<Instant> next;
  const auto consider = [&next](Instant when) {
    if (!next || when < *next) {
      next = when;
    }
  };
  if (!timers_.empty()) {
    consider(timers_.next());
  }
  if (const auto deadline = waiters_.next_deadline()) {
    consider(*deadline);
  }
  if (!inflight_.empty()) {
    consider(answer_due());
  } else if (const auto when = ping_at()) {
    consider(*when);
  }
  if (const auto when = link_.reconnect_at()) {
    consider(*when);
  }
  if (const auto when = link_.enroll_at(); when && !cohorts_.empty()) {
    consider(*when);
  }
  if (const auto when = departures_.timer()) {
    consider(*when);
  }
  return next;
}

void Engine::on_timer(Instant now) {
  for (int steps = 0; steps < max_steps && take_step(now); ++steps) {
  }
  departures_.on_timer(now, link_.is_connected(), [&](DepartureId id) { send_departure(now, id); });
  link_timer(now);
}

// The next thing that is due, if any.
bool Engine::take_step(Instant now) {
  const auto first = timers_.next();
  const auto deadline = waiters_.next_deadline().value_or(Instant::max());
  if (now < std::min(first, deadline)) {
    return false;
  }
  if (deadline < first) {
    time_out(now);
    return true;
  }
  const auto [cohort, kind] = timers_.front();
  if (kind == TimerKind::attempt) {
    arm(cohort, TimerKind::attempt, cohort->attempt_timer, std::nullopt);
    step(now, cohort, cohort->attempt->on_timer(now));
  } else if (const auto loss = cohort->hold->overdue(now); loss != Loss::none) {
    lose(now, cohort, loss);
  } else {
    renew_due(now);
  }
  return true;
}

// While no server answered, the client cannot know whether the lock was free.
void Engine::time_out(Instant now) {
  const auto [cohort, waiter] = waiters_.next_to_end();
  if (waiter->request.wait && (link_.is_connected() || !link_.is_in_trouble())) {
    const bool is_queued = cohort->attempt && waiter == cohort->waiters.begin();
    const auto place = is_queued ? cohort->attempt->place() : 0;
    refuse(now, cohort, waiter, {waiter->id, Refusal::Kind::timed_out, {}, {}, place});
  } else {
    refuse(now, cohort, waiter,
           {waiter->id, Refusal::Kind::failed, errc::unreachable,
            link_.explained("no server answered in time")});
  }
}

// --- events from the server ---------------------------------------------------------------------

void Engine::on_reply(Instant now, const Reply& reply) {
  if (!link_.is_connected()) {
    return;  // from a connection that the engine dropped while it delivered replies
  }
  link_.on_answered(now);
  if (inflight_.empty()) {
    drop(now, "an unexpected reply");
    return;
  }
  const Pending pending = std::move(inflight_.front());
  inflight_.pop_front();
  if (reply.is_error && !reply.unknown_script) {
    fence_counter_.on_error();
  }
  switch (pending.verb) {
    case Verb::acquire:
      on_acquire_reply(now, pending, reply);
      break;
    case Verb::acquire_all:
      on_acquire_all_reply(now, pending, reply);
      break;
    case Verb::release:
      on_release_reply(now, pending, reply);
      break;
    case Verb::renew:
      on_renew_reply(now, pending, reply);
      break;
    case Verb::write_fence:
      on_write_fence_reply(now, pending, reply);
      break;
    case Verb::subscribe:
      if (reply.is_error) {
        link_.on_subscribe_failed({reply.code, reply.what});
        // This client can still take a free lock; the engine refuses waits that would have to
        // queue.
        act(Report{LogLevel::error, "cannot subscribe to grants: " + reply.what});
      }
      break;
    case Verb::enroll:
    case Verb::withdraw:
      if (reply.is_error) {
        act(Report{LogLevel::info, "cannot register this client: " + reply.what});
      }
      break;
    case Verb::watch:
      on_watch_reply(now, pending, reply);
      break;
    case Verb::ping:
      break;
  }
}

void Engine::on_message(Instant now, std::string_view message) {
  if (!link_.is_connected()) {
    return;
  }
  link_.on_heard(now);
  Words words{message};
  const auto kind = words.next();
  if (kind == "grant") {
    on_grant(now, message);
  } else if (kind == "next") {
    on_next(now, words);
  } else if (kind == "break") {
    on_break(now, words);
  } else if (kind == "record") {
    on_record(now, words);
  }
}

void Engine::close(Instant now) {
  closing_ = true;
  for (const auto waiter : waiters_.ids()) {
    cancel(now, waiter);
  }
}

void Engine::withdraw(Instant now) {
  if (link_.is_connected() && link_.take_enrolled()) {
    send(now, {Verb::withdraw, false, {registration_key(settings_.client)}, {}});
  }
}

}  // namespace dlock::core
