// Engine: from a request to a lease.
#include <algorithm>
#include <array>
#include <span>

#include "core/engine/engine.hpp"

namespace dlock::core {
namespace {

constexpr int max_too_late = 5;

}  // namespace

void Engine::acquire(Instant now, WaiterId waiter, AcquireRequest&& request) {
  if (closing_) {
    act(Refusal{waiter, Refusal::Kind::cancelled, {}, {}});
    return;
  }
  if (!wants_connection()) {
    link_.forget_idle_trouble(now);
  }
  if (request.kind() == Kind::mutex && !request.wait && mutexes_.contains(request.key)) {
    // A thread of this client holds it or waits already.
    act(Refusal{waiter, Refusal::Kind::busy, {}, {}});
    return;
  }
  const auto cohort = enter_cohort(now, waiter, std::move(request));
  if (!cohort->attempt && !cohort->hold) {
    start_attempt(now, cohort, 0);
  }
}

CohortPtr Engine::enter_cohort(Instant now, WaiterId waiter, AcquireRequest&& request) {
  // A client passes only a mutex on from thread to thread: each other wait is a cohort of its own.
  const auto kind = request.kind();
  CohortPtr cohort;
  if (kind == Kind::mutex) {
    if (const auto found = mutexes_.find(request.key); found != mutexes_.end()) {
      cohort = found->second;
    }
  }
  if (!cohort) {
    cohort = pool_.make<Cohort>();
    cohort->id = ++last_id_;
    cohort->lock = {request.key, kind};
    cohort->place = cohorts_.insert(cohorts_.end(), cohort);
    if (kind == Kind::mutex) {
      mutexes_.emplace(cohort->lock.key, cohort);
    }
  }
  waiters_.enter(now, cohort, waiter, std::move(request));
  return cohort;
}

Token Engine::token_of(RandomBits random, const LockId& lock, const Permits& permits,
                       Duration ttl) const {
  const auto claim = std::min(claim_time, ttl);
  return make_token(settings_.client, random, claim,
                    lock.kind == Kind::permits ? permits.weight : 0);
}

void Engine::cancel(Instant now, WaiterId waiter) {
  if (const auto* found = waiters_.find(waiter)) {
    const auto [cohort, place] = *found;
    refuse(now, cohort, place, {waiter, Refusal::Kind::cancelled, {}, {}});
  }
}

// Ends one wait. Its place on the server goes to the next waiter here, or the engine withdraws it.
void Engine::refuse(Instant now, const CohortPtr& cohort, WaiterQueue::iterator waiter,
                    Refusal refusal) {
  const bool was_front = waiter == cohort->waiters.begin();
  waiters_.refuse(*cohort, waiter, std::move(refusal));
  if (!was_front || !cohort->attempt) {
    erase_if_idle(cohort);
  } else if (cohort->waiters.empty()) {
    abandon_attempt(now, cohort);
  } else {
    after_front_changed(now, cohort);
  }
}

void Engine::after_front_changed(Instant now, const CohortPtr& cohort) {
  const auto& request = cohort->waiters.front().request;
  cohort->attempt->change(request.ttl, !request.renew);
  if (!cohort->attempt->waits()) {
    abandon_attempt(now, cohort);
    start_attempt(now, cohort, 0);
  }
}

void Engine::abandon_attempt(Instant now, const CohortPtr& cohort) {
  const auto token = cohort->attempt->token();
  const auto ttl = cohort->attempt->ttl();
  const bool was_sent = cohort->attempt->was_sent();
  const bool late = cohort->unanswered;
  by_token_.erase(random_of(token));
  cohort->attempt.reset();
  cohort->unanswered = false;
  --attempts_;
  rearm(cohort);
  if (was_sent) {
    depart(
        now,
        {.token = token, .lock = cohort->lock, .life = std::max(ttl, waiter_life), .late = late});
  }
  erase_if_idle(cohort);
}

// The bits of the token and of a seal, which a wait is likely to need, are drawn together.
void Engine::make_attempt(Instant now, const CohortPtr& cohort) {
  const auto& request = cohort->waiters.front().request;
  const auto permits = request.permits.value_or(Permits{});
  const bool has_token = request.gate && !request.gate->token.empty();
  const bool needs_seal = request.wait && !request.gate && !begins_bare(now, *cohort);
  std::array<RandomBits, 2> random{};
  if (!has_token) {
    settings_.random(std::span{random}.first(needs_seal ? 2 : 1));
  }
  const auto token =
      has_token ? request.gate->token : token_of(random[0], cohort->lock, permits, request.ttl);
  by_token_[random_of(token)] = cohort;
  const auto replaces = cohort->replaces != 0 ? departures_.token(cohort->replaces) : Token{};
  cohort->attempt =
      pool_.make<Attempt>(Attempt::Request{token, request.ttl, request.wait, !request.renew,
                                           permits, replaces, request.gate, request.ticket},
                          settings_.drift);
  if (needs_seal) {
    cohort->attempt->set_seal(random[1]);
  }
  cohort->too_late = 0;
  cohort->batch = 0;
  ++attempts_;
}

void Engine::start_attempt(Instant now, const CohortPtr& cohort, DepartureId gives_up) {
  make_attempt(now, cohort);
  if (link_.is_connected()) {
    ask(now, cohort, gives_up, false);
  } else {
    rearm(cohort);
    need_connection();
  }
}

void Engine::ask(Instant now, const CohortPtr& cohort, DepartureId gives_up, bool whole) {
  if (gives_up == 0 && !whole && may_acquire_bare(now, *cohort)) {
    acquire_bare(now, cohort);
    return;
  }
  Token old;
  if (gives_up != 0) {
    old = departures_.ride(gives_up);
  }
  const bool is_first = !cohort->attempt->was_sent();
  if (cohort->attempt->needs_seal()) {
    cohort->attempt->set_seal(bits_of(settings_.random));
  }
  const auto recent = gives_up == 0 ? fence_counter_.recent(now) : 0;
  auto command = cohort->attempt->command(cohort->lock, old, recent);
  command.whole = whole;
  auto& pending = send(now, std::move(command));
  pending.cohort = cohort;
  pending.ttl = cohort->attempt->ttl();
  pending.token = cohort->attempt->token();
  pending.departure = gives_up;
  pending.syncs_counter = is_first && recent == 0 && !is_gate(cohort->lock.kind);
  rearm(cohort);
}

void Engine::step(Instant now, const CohortPtr& cohort, const Attempt::Step& step) {
  if (std::holds_alternative<Attempt::Ask>(step)) {
    if (link_.is_connected()) {
      ask(now, cohort, 0, false);
    }
  } else if (const auto* acquired = std::get_if<Attempt::Acquired>(&step)) {
    own(now, cohort, *acquired);
  } else if (std::holds_alternative<Attempt::Busy>(step)) {
    end_attempt(now, cohort, {0, Refusal::Kind::busy, {}, {}});
  } else if (const auto* other = std::get_if<Attempt::Other>(&step)) {
    const auto& gate = cohort->waiters.front().request.gate;
    end_attempt(now, cohort,
                {0, Refusal::Kind::failed, errc::usage,
                 gate ? disagreement(*gate, cohort->lock.key, other->capacity)
                      : disagreement(cohort->lock.key, cohort->attempt->permits().capacity,
                                     other->capacity)});
  } else if (std::holds_alternative<Attempt::Broken>(step)) {
    end_attempt(
        now, cohort,
        {0, Refusal::Kind::failed, errc::broken, broken(cohort->lock.kind, cohort->lock.key)});
  } else {
    rearm(cohort);
  }
}

// The server has nothing of the token, so there is nothing to withdraw.
void Engine::end_attempt(Instant now, const CohortPtr& cohort, Refusal refusal) {
  by_token_.erase(random_of(cohort->attempt->token()));
  cohort->attempt.reset();
  --attempts_;
  const auto front = cohort->waiters.begin();
  refusal.waiter = front->id;
  refuse(now, cohort, front, std::move(refusal));
  if (!cohort->waiters.empty()) {
    start_attempt(now, cohort, 0);
  }
}

// The cohort holds nothing: the engine only tells the waiter.
void Engine::pass_gate(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired) {
  auto record = std::make_shared<LeaseRecord>();
  record->key = cohort->lock.key;
  record->kind = cohort->lock.kind;
  record->token = cohort->attempt->token();
  record->fence = {acquired.counter, 0};
  by_token_.erase(random_of(record->token));
  cohort->attempt.reset();
  --attempts_;
  waiters_.hand_to_front(now, *cohort, std::move(record), AcquiredBy::request);
  erase_if_idle(cohort);
}

void Engine::own(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired) {
  if (is_gate(cohort->lock.kind)) {
    pass_gate(now, cohort, acquired);
    return;
  }
  if (acquired.valid_until - now < acquired.length / 4) {
    if (++cohort->too_late >= max_too_late) {
      fail_front(now, cohort,
                 {0, Refusal::Kind::failed, errc::unreachable,
                  "the server's replies take longer than the ttl: use a longer ttl"});
    } else {
      ask(now, cohort, 0, false);
    }
    return;
  }
  --attempts_;
  begin_hold(now, cohort, acquired);
}

void Engine::fail_front(Instant now, const CohortPtr& cohort, Refusal refusal) {
  // An error is not a refusal: the script may have run. So the engine withdraws the token.
  const auto front = cohort->waiters.begin();
  refusal.waiter = front->id;
  const bool more = cohort->waiters.size() > 1;
  if (more) {
    const auto token = cohort->attempt->token();
    by_token_.erase(random_of(token));
    depart(now, {.token = token,
                 .lock = cohort->lock,
                 .life = std::max(cohort->attempt->ttl(), waiter_life)});
    cohort->attempt.reset();
    --attempts_;
    refuse(now, cohort, front, std::move(refusal));
    start_attempt(now, cohort, 0);
  } else {
    refuse(now, cohort, front, std::move(refusal));
  }
}

}  // namespace dlock::core
