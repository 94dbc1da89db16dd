// Engine: from a lease to its end.
#include <algorithm>

#include "core/engine.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration most_passing = milliseconds{100};  ///< of one lease from thread to thread
constexpr Duration renewal_slack = milliseconds{50};  ///< renewals due so soon go along
constexpr std::size_t most_renewals = 128;            ///< in one script call
constexpr std::size_t most_renewal_calls = 8;         ///< under way: others need the server too
constexpr Duration least_patience = milliseconds{100};
constexpr Duration most_safety = seconds{1};
constexpr Duration ghost_time = milliseconds{500};
constexpr Duration most_back_off = seconds{4};  ///< between the tries of a release that fails

std::optional<Instant> end_of(Instant now, const Wish& wish) {
  return wish.max_hold ? std::optional{now + *wish.max_hold} : std::nullopt;
}

}  // namespace

void Engine::begin_hold(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired) {
  const auto& wish = cohort->waiters.front().wish;
  auto record = std::make_shared<LeaseRecord>();
  record->id = ++last_id_;
  record->key = cohort->keys.lock;
  record->kind = cohort->keys.kind;
  record->token = cohort->attempt->token();
  record->ttl = wish.ttl;
  record->fence = {acquired.counter, 0};
  const Hold::Terms terms{wish.ttl, wish.renew,
                          settings_.safety_margin.value_or(std::min(most_safety, wish.ttl / 10)),
                          end_of(now, wish)};
  const double jitter = static_cast<double>(settings_.random()[0] >> 11) / 9007199254740992.0;
  cohort->attempt.reset();
  cohort->hold.emplace(record, terms, acquired.valid_until, acquired.length, settings_.drift,
                       jitter);
  cohort->since = now;
  renewing_holds_ += wish.renew ? 1 : 0;
  ++counters_.acquired;
  counters_.granted += acquired.granted ? 1 : 0;
  hand_to_front(cohort, std::move(record));
  rearm(cohort);
}

void Engine::hand_to_front(const CohortPtr& cohort, std::shared_ptr<LeaseRecord> record) {
  const auto front = cohort->waiters.begin();
  if (front->wish.deadline) {
    timers_.erase(Timer{*front->wish.deadline, TimerKind::deadline, front->id, nullptr});
  }
  by_waiter_.erase(front->id);
  act(Obtained{front->id, std::move(record)});
  cohort->waiters.erase(front);
}

// To the next thread here, without the network: bounded in number and time, so that other
// processes get their turn.
bool Engine::pass(Instant now, const CohortPtr& cohort) {
  auto& hold = *cohort->hold;
  const auto& wish = cohort->waiters.front().wish;
  const auto& former = *hold.record();
  if (!connected_ || !wish.renew || !hold.terms().renew || wish.ttl != hold.terms().ttl ||
      former.fence.sequence + 1 >= Fence::most_sequences || now - cohort->since >= most_passing ||
      !hold.fresh(now)) {
    return false;
  }
  auto record = std::make_shared<LeaseRecord>();
  record->id = ++last_id_;
  record->key = former.key;
  record->kind = former.kind;
  record->token = former.token;
  record->ttl = former.ttl;
  record->fence = {former.fence.counter, former.fence.sequence + 1};
  hold.pass(record, end_of(now, wish));
  hold.record_by(now + most_passing);
  ++counters_.acquired;
  ++counters_.passed;
  hand_to_front(cohort, std::move(record));
  rearm(cohort);
  return true;
}

Engine::CohortPtr Engine::holding(const LeaseRecord& lease) const {
  const auto found = by_token_.find(lease.token);
  const bool holds = found != by_token_.end() && found->second->hold &&
                     found->second->hold->record()->id == lease.id;
  return holds ? found->second : nullptr;
}

void Engine::end_hold(const CohortPtr& cohort) {
  by_token_.erase(cohort->hold->record()->token);
  renewing_holds_ -= cohort->hold->terms().renew ? 1 : 0;
  cohort->hold.reset();
}

// The lease is over. What is left of it on the server is ours to clear away all the same.
void Engine::clear_away(Instant now, const CohortPtr& cohort, const LeaseRecord& lease) {
  if (cohort) {
    give_back(now, cohort, 0, false);
    lose(now, cohort, cohort->hold->overdue(now));
  } else if (lease.loss.load() == Loss::expired || lease.loss.load() == Loss::max_hold) {
    const auto id = depart(now, lease.token, lock_keys(lease.key, lease.kind), lease.ttl, 0, false);
    departures_.at(id).held = true;
  }
}

void Engine::release(Instant now, const LeaseRecord& lease) {
  const auto cohort = holding(lease);
  if (!cohort || lease.left(now) == Duration::zero()) {
    act(Released{lease.id, Released::Kind::not_held});
    clear_away(now, cohort, lease);
    return;
  }
  if (!cohort->waiters.empty() && pass(now, cohort)) {
    ++counters_.released;
    act(Released{lease.id, Released::Kind::released});
    return;
  }
  const bool yields = !cohort->waiters.empty() && connected_;
  const auto id = give_back(now, cohort, lease.id, yields);
  end_hold(cohort);
  rearm(cohort);
  if (!cohort->waiters.empty()) {
    start_attempt(now, cohort, yields ? id : 0);
  } else {
    erase_if_idle(cohort);
  }
}

// Whether a request that makes this token the holder may still be carried out.
bool Engine::is_asked_for(const Token& token) const {
  return std::any_of(inflight_.begin(), inflight_.end(), [&](const Pending& pending) {
    return pending.verb == Verb::acquire && pending.token == token;
  });
}

void Engine::exchange(Instant now, WaiterId waiter, Wish wish, const LeaseRecord& lease) {
  const auto former = holding(lease);
  if (!former || lease.left(now) == Duration::zero()) {
    act(Refusal{waiter, Refusal::Kind::busy, {}, {}});
    clear_away(now, former, lease);
    return;
  }
  const auto id = give_back(now, former, 0, true);
  end_hold(former);
  erase_if_idle(former);
  wish.wait = false;
  const auto cohort = enter_cohort(waiter, std::move(wish));
  cohort->replaces = id;
  start_attempt(now, cohort, id);
}

void Engine::lose(Instant now, const CohortPtr& cohort, Loss why) {
  const auto record = cohort->hold->record();
  if (cohort->unanswered || cohort->ghost || is_asked_for(record->token)) {
    give_back(now, cohort, 0, false);  // a late request must not leave it with nobody
  }
  cohort->hold->lose(why == Loss::none ? Loss::expired : why);
  end_hold(cohort);
  cohort->unanswered = cohort->ghost = false;
  rearm(cohort);
  ++counters_.lost;
  act(Lost{record});
  if (!cohort->waiters.empty()) {
    start_attempt(now, cohort, 0);
  } else {
    erase_if_idle(cohort);
  }
}

// --- renewals -----------------------------------------------------------------------------------

// Called when the first timer is a hold's: takes along all of its kind that are due soon.
void Engine::renew_due(Instant now) {
  const auto kind = timers_.begin()->cohort->keys.kind;
  std::vector<CohortPtr> due;
  for (auto timer = timers_.begin();
       timer != timers_.end() && due.size() < most_renewals && timer->when <= now + renewal_slack;
       ++timer) {
    if (timer->kind == TimerKind::hold && timer->cohort->keys.kind == kind &&
        timer->cohort->hold->renewal_due(now, renewal_slack) &&
        timer->cohort->hold->overdue(now) == Loss::none) {
      due.push_back(timer->cohort);
    }
  }
  if (renewals_.size() < most_renewal_calls) {
    renew(now, due, false);
    return;
  }
  for (const auto& cohort : due) {
    cohort->hold->on_queued();
    backlog_[{cohort->hold->timer(), cohort->id}] = cohort;
    rearm(cohort);
  }
}

// Of the kind of the first: a call runs one script.
void Engine::renew_backlog(Instant now) {
  std::vector<CohortPtr> due;
  for (auto entry = backlog_.begin(); entry != backlog_.end() && due.size() < most_renewals;) {
    const auto cohort = entry->second;
    if (!cohort->hold || !cohort->hold->is_queued()) {
      entry = backlog_.erase(entry);
    } else if (due.empty() || due.front()->keys.kind == cohort->keys.kind) {
      due.push_back(cohort);
      entry = backlog_.erase(entry);
    } else {
      ++entry;
    }
  }
  renew(now, due, false);
}

void Engine::renew(Instant now, const std::vector<CohortPtr>& due, bool whole) {
  if (due.empty()) {
    return;
  }
  const auto kind = due.front()->keys.kind;
  Command command;
  command.verb = Verb::renew;
  command.whole = whole;
  command.kind = kind;
  command.keys.reserve(1 + 3 * due.size());
  command.keys.emplace_back(fence_key);
  command.args.reserve(1 + 3 * due.size());
  Pending pending;
  pending.renewed.reserve(due.size());
  pending.counters.reserve(due.size());
  pending.token = due.front()->hold->record()->token;
  command.args.emplace_back(echo_of(pending.token));
  Renewal renewal{now, settings_.request_timeout};
  for (const auto& cohort : due) {
    auto& hold = *cohort->hold;
    const auto& record = *hold.record();
    const auto ttl_ms = std::chrono::ceil<milliseconds>(hold.terms().ttl).count();
    for (const auto* key : {&cohort->keys.lock, &cohort->keys.queue, &cohort->keys.seen}) {
      command.keys.push_back(*key);
    }
    const auto noted = kind == Kind::permits ? record.fence.counter : record.fence.sequence;
    command.args.push_back(record.token);
    command.args.push_back(std::to_string(ttl_ms));
    command.args.push_back(std::to_string(noted));
    pending.counters.push_back(record.fence.counter);
    pending.renewed.push_back(cohort);
    hold.on_renewing();
    // A lease that ends soon needs the time for another try, on another connection.
    if (!is_patient_) {
      renewal.patience =
          std::min(renewal.patience, std::max((hold.timer() - now) / 2, least_patience));
    }
    rearm(cohort);
  }
  renewals_.push_back(renewal);
  send(now, std::move(command), std::move(pending));
}

void Engine::on_renew_reply(Instant now, const Pending& pending, const Reply& reply) {
  renewals_.pop_front();
  std::string_view letters;
  if (!reply.is_error) {
    Words words{reply.text};
    if (words.next() != echo_of(pending.token)) {
      drop_shifted(now, pending);
      return;
    }
    letters = words.rest();
    is_patient_ = false;
    on_good_reply();
  } else if (!reply.unknown_script) {
    act(Report{LogLevel::warning, "renewal failed: " + reply.what});
  }
  std::vector<CohortPtr> again;
  for (std::size_t i = 0; i < pending.renewed.size(); ++i) {
    const auto& cohort = pending.renewed[i];
    if (!cohort->hold || cohort->hold->record()->fence.counter != pending.counters[i]) {
      continue;
    }
    auto& hold = *cohort->hold;
    if (reply.unknown_script) {
      again.push_back(cohort);
    } else if (i < letters.size() && letters[i] == 'k') {
      ++counters_.renewals;
      hold.on_kept(pending.sent, hold.terms().ttl);
      rearm(cohort);
    } else if (i < letters.size() && letters[i] == 'l') {
      lose(now, cohort, Loss::taken);
    } else {
      // An error says nothing about the lease: it is unknown, not lost.
      hold.on_unknown(now + std::min<Duration>(seconds{1}, hold.terms().ttl / 10));
      rearm(cohort);
    }
  }
  renew(now, again, true);
  renew_backlog(now);
}

void Engine::on_break(Instant now, Words words) {
  const auto found = by_token_.find(Token{words.next()});
  Fence fence;
  if (found == by_token_.end() || !found->second->hold ||
      !parse_number(words.next(), fence.counter) || !parse_number(words.next(), fence.sequence)) {
    return;
  }
  const auto cohort = found->second;
  const auto record = cohort->hold->record();
  if (record->fence.counter == fence.counter && record->fence.sequence == fence.sequence) {
    // Leave before our own next waiter asks, so that it does not meet our token.
    give_back(now, cohort, 0, false);
    lose(now, cohort, Loss::broken);
  } else {
    // Passed on meanwhile: let the server's record say so, for the one who asks.
    cohort->hold->record_by(now);
    rearm(cohort);
  }
}

// --- departures ---------------------------------------------------------------------------------

// Of the token that has the lease.
Engine::DepartureId Engine::give_back(Instant now, const CohortPtr& cohort, LeaseId lease,
                                      bool riding) {
  const auto& hold = *cohort->hold;
  const auto id = depart(now, hold.record()->token, cohort->keys, hold.terms().ttl, lease, riding);
  auto& departure = departures_.at(id);
  departure.held = true;
  departure.late = std::exchange(cohort->unanswered, false);
  departure.ghost = std::exchange(cohort->ghost, false);
  return id;
}

Engine::DepartureId Engine::depart(Instant now, Token token, const LockKeys& keys, Duration ttl,
                                   LeaseId lease, bool riding) {
  const DepartureId id = ++last_id_;
  auto& departure = departures_[id];
  departure.token = std::move(token);
  departure.keys = keys;
  departure.life = ttl;
  outlive(now, departure);
  departure.lease = lease;
  departure.answer_by = now + settings_.request_timeout;
  departure.riding = riding;
  const auto first = lease != 0 ? std::min(departure.answer_by, departure.until) : departure.until;
  departure_timer_ = departure_timer_ ? std::min(*departure_timer_, first) : first;
  if (!riding) {
    if (connected_) {
      send_departure(now, id);
    } else {
      need_connection();
    }
  }
  return id;
}

// An acquire of its token may have acted as late as now.
void Engine::outlive(Instant now, Departure& departure) {
  departure.until = now + departure.life + seconds{1};
}

void Engine::send_departure(Instant now, DepartureId id) {
  auto& departure = departures_.at(id);
  departure.sent = true;
  departure.riding = false;
  departure.again.reset();
  Pending pending;
  pending.token = departure.token;
  pending.departure = id;
  Command command;
  command.verb = Verb::release;
  command.whole = departure.whole;
  command.kind = departure.keys.kind;
  command.keys.reserve(4);
  for (const auto* key : {&departure.keys.lock, &departure.keys.queue, &departure.keys.seen}) {
    command.keys.push_back(*key);
  }
  command.keys.emplace_back(fence_key);
  command.args.push_back(departure.token);
  send(now, std::move(command), std::move(pending));
}

void Engine::on_release_reply(Instant now, const Pending& pending, const Reply& reply) {
  const auto found = departures_.find(pending.departure);
  if (found == departures_.end()) {
    return;
  }
  auto& departure = found->second;
  if (reply.unknown_script) {
    departure.whole = true;
    send_departure(now, pending.departure);
    return;
  }
  if (reply.is_error) {
    act(Report{LogLevel::warning, "release failed: " + reply.what});
    // Who may not release may not acquire either; all other states of a server may end.
    if (reply.code != errc::refused || departure.held || departure.ghost) {
      release_again(now, departure, departure.back_off);
      departure.back_off = std::min<Duration>(departure.back_off * 2, most_back_off);
    } else {
      forget_departure(pending.departure);
    }
    return;
  }
  Words words{reply.text};
  if (words.next() != echo_of(departure.token)) {
    drop_shifted(now, pending);
    return;
  }
  on_good_reply();
  const auto outcome = words.next();
  if (words.next() == "mute") {
    act(Report{LogLevel::error,
               "waiters cannot be told that the lock is theirs, hand-offs are slow: " +
                   std::string{words.rest()}});
  }
  finish_departure(now, pending.departure,
                   outcome == "released" ? Released::Kind::released : Released::Kind::not_held);
}

// Answers the user, and forgets the token unless it may come back.
void Engine::finish_departure(Instant now, DepartureId id, Released::Kind kind) {
  const auto found = departures_.find(id);
  if (found == departures_.end()) {
    return;
  }
  auto& departure = found->second;
  if (departure.lease != 0) {
    counters_.released += kind == Released::Kind::released ? 1 : 0;
    act(Released{departure.lease, kind});
    departure.lease = 0;
  }
  if (departure.ghost) {
    release_again(now, departure, ghost_time);
  } else {
    forget_departure(id);
  }
}

void Engine::release_again(Instant now, Departure& departure, Duration delay) {
  departure.sent = departure.riding = false;
  departure.again = now + delay;
  departure_timer_ = std::min(departure_timer_.value_or(*departure.again), *departure.again);
}

void Engine::forget_departure(DepartureId id) {
  departures_.erase(id);
  if (departures_.empty()) {
    departure_timer_.reset();
  }
}

bool Engine::settled() const {
  return std::none_of(departures_.begin(), departures_.end(),
                      [](const auto& entry) { return entry.second.held || !entry.second.again; });
}

void Engine::departure_timers(Instant now) {
  if (!departure_timer_ || now < *departure_timer_) {
    return;
  }
  std::optional<Instant> next;
  const auto consider = [&next](Instant when) { next = std::min(next.value_or(when), when); };
  for (auto entry = departures_.begin(); entry != departures_.end();) {
    const auto id = entry->first;
    auto& departure = entry->second;
    ++entry;
    if (departure.lease != 0 && departure.answer_by <= now) {
      act(Released{departure.lease, Released::Kind::unknown});
      departure.lease = 0;
    }
    if (departure.until <= now) {
      if (departure.lease != 0) {
        act(Released{departure.lease, Released::Kind::unknown});
      }
      departures_.erase(id);
    } else {
      if (departure.again && *departure.again <= now && connected_) {
        send_departure(now, id);
      }
      consider(departure.until);
      if (departure.lease != 0) {
        consider(departure.answer_by);
      }
      if (departure.again && connected_) {
        consider(*departure.again);
      }
    }
  }
  departure_timer_ = next;
}

}  // namespace dlock::core
