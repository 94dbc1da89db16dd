// Engine: from a lease to its end.
#include <algorithm>

#include "core/engine/backoff.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/passing.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration max_safety = seconds{1};
/// A lease that lives for longer is renewed, which records its fence, and watched.
constexpr Duration max_short = seconds{1};

}  // namespace

void Engine::begin_hold(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired) {
  const auto& request = cohort->waiters.front().request;
  auto record = std::make_shared<LeaseRecord>();
  record->id = ++last_id_;
  record->key = cohort->lock.key;
  record->kind = cohort->lock.kind;
  record->part = request.part;
  record->group = request.group;
  record->what = lease_kind(record->key, record->kind, request.permits.value_or(Permits{}));
  record->since = now;
  record->token = cohort->attempt->token();
  record->ttl = request.ttl;
  record->fence = {acquired.counter, 0};
  const Hold::Terms terms{
      .ttl = request.ttl,
      .safety_margin = settings_.safety_margin.value_or(std::min(max_safety, request.ttl / 10)),
      .end = request.end_of_hold(now),
      .renew = request.renew,
      .part = request.part};
  cohort->seal = cohort->attempt->take_seal();
  cohort->attempt.reset();
  cohort->hold.emplace(record, terms, acquired.valid_until, acquired.length, settings_.drift,
                       fraction_of(random_of(record->token)));
  if (acquired.bare) {
    cohort->hold->begin_bare(now + max_short);
  } else if (settings_.watches) {
    cohort->hold->record_by(now + max_short);
  }
  cohort->since = now;
  renewing_holds_ += request.renew ? 1 : 0;
  auto& statistics = *output_.statistics;
  const auto way = acquired.granted ? AcquiredBy::grant : AcquiredBy::request;
  statistics.acquired(*record, way, now - cohort->waiters.front().since);
  if (acquired.granted) {
    statistics.handed_off(record->group, now - std::min(now, acquired.granted_at));
  }
  waiters_.hand_to_front(now, *cohort, std::move(record), way);
  rearm(cohort);
}

// Passes the lease to the next thread of this client, without the network.
bool Engine::pass(Instant now, const CohortPtr& cohort) {
  auto& hold = *cohort->hold;
  const auto& request = cohort->waiters.front().request;
  const auto& former = *hold.record();
  if (!link_.is_connected() || !may_pass(now, former, hold.terms().renew, cohort->since, request) ||
      !hold.fresh(now)) {
    return false;
  }
  output_.statistics->ended(now, former);
  auto record = pass_on(now, former, ++last_id_, request);
  hold.pass(record, request.end_of_hold(now));
  hold.record_by(now + max_passing);
  output_.statistics->acquired(*record, AcquiredBy::passing, now - cohort->waiters.front().since);
  waiters_.hand_to_front(now, *cohort, std::move(record), AcquiredBy::passing);
  rearm(cohort);
  return true;
}

void Engine::record(Instant now, const LeaseRecord& lease) {
  if (const auto cohort = holding(lease)) {
    cohort->hold->record_by(now + max_passing);
    rearm(cohort);
  }
}

CohortPtr Engine::holding(const LeaseRecord& lease) const {
  const auto found = by_token_.find(random_of(lease.token));
  const bool holds = found != by_token_.end() && found->second->hold &&
                     found->second->hold->record()->id == lease.id;
  return holds ? found->second : nullptr;
}

void Engine::end_hold(Instant now, const CohortPtr& cohort) {
  output_.statistics->ended(now, *cohort->hold->record());
  by_token_.erase(random_of(cohort->hold->record()->token));
  renewing_holds_ -= cohort->hold->terms().renew ? 1 : 0;
  stop_watching(*cohort);
  cohort->hold.reset();
}

// The lease is over, but the client must still remove what is left of it on the server.
void Engine::clear_away(Instant now, const CohortPtr& cohort, const LeaseRecord& lease) {
  if (cohort) {
    give_back(now, cohort, 0, false);
    lose(now, cohort, cohort->hold->overdue(now));
  } else if (is_by_time(lease.loss.load())) {
    depart(now, {.token = lease.token,
                 .lock = {lease.key, lease.kind},
                 .life = lease.ttl,
                 .hold_off_until = lease.hold_off_until.load(),
                 .held = true});
  }
}

void Engine::release(Instant now, const LeaseRecord& lease) {
  const auto cohort = holding(lease);
  if (!cohort || lease.left(now) == Duration::zero()) {
    act(Released{lease.id, Released::Kind::not_held});
    clear_away(now, cohort, lease);
    return;
  }
  const bool is_held_off = lease.hold_off_until.load() > now;
  if (!is_held_off && !cohort->waiters.empty() && pass(now, cohort)) {
    output_.statistics->released(lease.group);
    act(Released{lease.id, Released::Kind::released});
    return;
  }
  const bool yields = !is_held_off && !cohort->waiters.empty() && link_.is_connected();
  const auto id = give_back(now, cohort, lease.id, yields);
  if (is_silent_) {
    act(Released{lease.id, Released::Kind::unknown});
    departures_.forget_user(id);
  }
  end_hold(now, cohort);
  rearm(cohort);
  if (!cohort->waiters.empty()) {
    start_attempt(now, cohort, yields ? id : 0);
  } else {
    erase_if_idle(cohort);
  }
}

// Whether the server may still run a request that makes this token the holder.
bool Engine::is_asked_for(const Token& token) const {
  return std::any_of(inflight_.begin(), inflight_.end(), [&](const Pending& pending) {
    return (pending.verb == Verb::acquire && pending.token == token) ||
           std::any_of(pending.parts.begin(), pending.parts.end(),
                       [&](const Pending& part) { return part.token == token; });
  });
}

void Engine::exchange(Instant now, WaiterId waiter, AcquireRequest request,
                      const LeaseRecord& lease) {
  const auto former = holding(lease);
  if (!former || lease.left(now) == Duration::zero()) {
    act(Refusal{waiter, Refusal::Kind::busy, {}, {}});
    clear_away(now, former, lease);
    return;
  }
  const auto id = give_back(now, former, 0, true);
  end_hold(now, former);
  erase_if_idle(former);
  request.wait = false;
  const auto cohort = enter_cohort(now, waiter, std::move(request));
  cohort->replaces = id;
  start_attempt(now, cohort, id);
}

void Engine::lose(Instant now, const CohortPtr& cohort, Loss why) {
  const auto record = cohort->hold->record();
  if (cohort->unanswered || cohort->may_reappear || is_asked_for(record->token)) {
    give_back(now, cohort, 0, false);  // a late request must not leave it without a user
  }
  cohort->hold->lose(why == Loss::none ? Loss::expired : why);
  end_hold(now, cohort);
  cohort->unanswered = cohort->may_reappear = false;
  rearm(cohort);
  output_.statistics->lost(record->group, record->loss.load());
  act(Lost{record});
  if (!cohort->waiters.empty()) {
    start_attempt(now, cohort, 0);
  } else {
    erase_if_idle(cohort);
  }
}

void Engine::on_break(Instant now, Words words) {
  const auto found = by_token_.find(random_of(words.next()));
  Fence fence;
  if (found == by_token_.end() || !found->second->hold ||
      !parse_number(words.next(), fence.counter) || !parse_number(words.next(), fence.sequence)) {
    return;
  }
  if (found->second->hold->record()->fence.counter != fence.counter) {
    return;
  }
  // The answer tells whether it is true. If the lease was passed on meanwhile, the renewal also
  // updates the server's record, for the client that asked.
  renew_now(now, found->second);
}

// A client that looks at the lock wants to see its fence.
void Engine::on_record(Instant now, Words words) {
  const auto found = by_token_.find(random_of(words.next()));
  if (found != by_token_.end() && found->second->hold && found->second->hold->is_bare()) {
    renew_now(now, found->second);
  }
}

// The server reports a request to the holder to give up.
void Engine::give_up(Instant now, const CohortPtr& cohort) {
  // Release before this client's next waiter asks, so that it does not meet the old token. The
  // client that breaks the lock wants no time of protection.
  cohort->hold->record()->hold_off_until = Instant{};
  give_back(now, cohort, 0, false);
  lose(now, cohort, Loss::broken);
}

}  // namespace dlock::core
