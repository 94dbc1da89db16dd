// Engine: the connection's life, and which event goes where.
#include "core/engine.hpp"

#include <algorithm>

#include "core/backoff.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration ping_time = seconds{2};
constexpr Duration registration_life = seconds{600};
constexpr int max_steps = 64;  ///< at once by the clock, so that replies are read in time
constexpr Backoff reconnect_backoff{milliseconds{10}, seconds{1}};

}  // namespace

Engine::Engine(Settings settings) : settings_(std::move(settings)), last_id_(settings_.last_id) {}
Engine::~Engine() = default;

std::vector<Action> Engine::take_actions() { return std::exchange(output_.actions, {}); }

// --- timers -------------------------------------------------------------------------------------

void Engine::arm(const CohortPtr& cohort, TimerKind kind, std::optional<Timers::iterator>& slot,
                 std::optional<Instant> when) {
  if (!when) {
    if (slot) {
      timers_.erase(*slot);
      slot.reset();
    }
  } else if (!slot) {
    slot = timers_.insert(Timer{*when, kind, cohort->id, cohort}).first;
  } else if ((*slot)->when != *when) {
    auto node = timers_.extract(*slot);
    node.value().when = *when;
    slot = timers_.insert(std::move(node)).position;
  }
}

void Engine::rearm(const CohortPtr& cohort) {
  arm(cohort, TimerKind::attempt, cohort->attempt_timer,
      cohort->attempt && connected_ ? cohort->attempt->timer() : std::nullopt);
  arm(cohort, TimerKind::hold, cohort->hold_timer,
      cohort->hold ? std::optional{cohort->hold->timer()} : std::nullopt);
}

// Only a mutex is passed on inside the process: each other wait is a cohort of its own. No lock key
// begins as the names of these do.
std::string Engine::name_of(const Cohort& cohort) {
  return cohort.lock.kind == Kind::mutex ? cohort.lock.key
                                         : Token{token_prefix} + std::to_string(cohort.id);
}

void Engine::erase_if_idle(const CohortPtr& cohort) {
  if (cohort->waiters.empty() && !cohort->attempt && !cohort->hold) {
    rearm(cohort);
    cohorts_.erase(name_of(*cohort));
  }
}

std::optional<Instant> Engine::next_timer() const {
  std::optional<Instant> next;
  const auto consider = [&next](Instant when) {
    if (!next || when < *next) {
      next = when;
    }
  };
  if (!timers_.empty()) {
    consider(timers_.begin()->when);
  }
  if (const auto deadline = waiters_.next_deadline()) {
    consider(*deadline);
  }
  if (!inflight_.empty()) {
    consider(answer_due());
  } else if (connected_ && attempts_ > 0) {
    consider(heard_ + ping_time);
  }
  if (reconnect_at_ && !connected_ && !connecting_) {
    consider(*reconnect_at_);
  }
  if (enrolled_ && connected_ && !cohorts_.empty()) {
    consider(*enrolled_ + registration_life / 2);
  }
  if (departure_timer_) {
    consider(*departure_timer_);
  }
  return next;
}

void Engine::on_timer(Instant now) {
  for (int steps = 0; steps < max_steps && take_step(now); ++steps) {
  }
  departure_timers(now);
  link_timer(now);
}

// What is due first, if anything is.
bool Engine::take_step(Instant now) {
  const auto first = timers_.empty() ? Instant::max() : timers_.begin()->when;
  const auto deadline = waiters_.next_deadline().value_or(Instant::max());
  if (now < std::min(first, deadline)) {
    return false;
  }
  if (deadline < first) {
    time_out(now);
    return true;
  }
  const Timer timer = *timers_.begin();
  const auto& cohort = timer.cohort;
  if (timer.kind == TimerKind::attempt) {
    arm(cohort, TimerKind::attempt, cohort->attempt_timer, std::nullopt);
    step(now, cohort, cohort->attempt->on_timer(now));
  } else if (const auto loss = cohort->hold->overdue(now); loss != Loss::none) {
    lose(now, cohort, loss);
  } else {
    renew_due(now);
  }
  return true;
}

// Nobody can say whether the lock was free while no server answered.
void Engine::time_out(Instant now) {
  const auto [cohort, waiter] = waiters_.next_to_end();
  if (waiter->request.wait && (connected_ || !trouble_since_)) {
    refuse(now, cohort, waiter, {waiter->id, Refusal::Kind::timed_out, {}, {}});
  } else {
    refuse(now, cohort, waiter,
           {waiter->id, Refusal::Kind::failed, errc::unreachable, "no server answered in time"});
  }
}

// --- the connection -----------------------------------------------------------------------------

void Engine::send(Instant now, Command command, Pending pending) {
  if (settings_.fence_key != fence_key) {
    std::replace(command.keys.begin(), command.keys.end(), std::string{fence_key},
                 settings_.fence_key);
  }
  pending.verb = command.verb;
  pending.sent = now;
  inflight_.push_back(std::move(pending));
  ++output_.counters.commands;
  act(Send{std::move(command)});
}

bool Engine::wants_connection() const {
  return attempts_ > 0 || renewing_holds_ > 0 || !departures_.empty();
}

void Engine::need_connection() {
  if (!connected_ && !connecting_ && !reconnect_at_) {
    connecting_ = true;
    act(Connect{});
  }
}

// When the connection counts as dead. Replies come in order, so a request's time begins when the
// one before it was answered: a slow server is not a dead one.
Instant Engine::answer_due() const {
  auto due = std::max(inflight_.front().sent, answered_) + settings_.request_timeout;
  for (const auto& renewal : renewals_) {
    due = std::min(due, std::max(renewal.sent, answered_) + renewal.patience);
  }
  return due;
}

void Engine::link_timer(Instant now) {
  if (connected_ && !inflight_.empty() && answer_due() <= now) {
    // If it was for a renewal's sake: a server that is slow would else never get to answer one.
    is_patient_ = is_patient_ || !renewals_.empty();
    drop(now, "no reply within the request timeout");
  }
  if (connected_ && inflight_.empty() && attempts_ > 0 && heard_ + ping_time <= now) {
    send(now, {Verb::ping, false, {}, {}}, {});
  }
  if (connected_ && enrolled_ && !cohorts_.empty() && *enrolled_ + registration_life / 2 <= now) {
    enroll(now);
  }
  if (reconnect_at_ && *reconnect_at_ <= now && !connected_ && !connecting_) {
    reconnect_at_.reset();
    if (wants_connection()) {
      need_connection();
    }
  }
}

void Engine::enroll(Instant now) {
  enrolled_ = now;
  const auto life = std::chrono::duration_cast<milliseconds>(registration_life).count();
  send(now,
       {Verb::enroll,
        false,
        {registration_key(settings_.client)},
        {settings_.registration, std::to_string(life)}},
       {});
}

void Engine::on_connected(Instant now, bool old_is_dead) {
  connected_ = true;
  connecting_ = false;
  reconnect_at_.reset();
  connected_at_ = heard_ = answered_ = now;
  if (ever_connected_) {
    ++output_.counters.reconnects;
  }
  ever_connected_ = true;
  // Before any enqueue, so that no grant is missed.
  send(now, {Verb::subscribe, false, {channel_of(settings_.client)}, {}}, {});
  enroll(now);
  std::vector<CohortPtr> asking;
  for (const auto& [key, cohort] : cohorts_) {
    if (cohort->attempt) {
      asking.push_back(cohort);
    }
    if (cohort->hold) {
      cohort->may_reappear = cohort->may_reappear || (cohort->unanswered && !old_is_dead);
      cohort->unanswered = false;
    }
  }
  // In the order in which they began, whatever the hash table thinks.
  std::sort(asking.begin(), asking.end(),
            [](const auto& a, const auto& b) { return a->id < b->id; });
  // What we give back we must not find taken when we ask; what is replaced goes along with that.
  std::set<DepartureId> replaced;
  for (const auto& cohort : asking) {
    replaced.insert(cohort->replaces);
  }
  for (auto& [id, departure] : departures_) {
    departure.may_reappear = departure.may_reappear || (departure.late && !old_is_dead);
    departure.late = false;
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
      // The old request may still act, after whatever we do now: leave it its token, and clean up
      // behind it for as long as it could hold the lock.
      const auto old = cohort->attempt->token();
      const auto life = std::max(cohort->attempt->ttl(), waiter_life);
      const auto old_id = depart(now, old, cohort->lock, life, 0, false);
      departures_.at(old_id).may_reappear = true;
      by_token_.erase(random_of(old));
      auto token = new_token(cohort->lock, cohort->attempt->permits(), cohort->attempt->ttl());
      by_token_[random_of(token)] = cohort;
      cohort->attempt->rename(std::move(token));
    }
    cohort->unanswered = false;
    ask(now, cohort, departures_.contains(cohort->replaces) ? cohort->replaces : 0, false);
  }
  for (const auto& [number, cohorts] : batches) {
    ask_all(now, cohorts, false);
  }
  unanswered_ = false;
  for (const auto kind : {Kind::mutex, Kind::permits}) {
    unconfirmed_[kind] = Timer{Instant::min(), TimerKind::hold, 0, nullptr};
  }
  renew_more(now);
}

void Engine::forget_connection(Instant now) {
  connected_ = false;
  subscribe_error_.reset();
  fence_counter_.on_disconnected();
  if (!trouble_since_) {
    trouble_since_ = now;
  }
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
    for (const auto& cohort : pending.renewed) {
      if (cohort->hold && !cohort->hold->is_queued()) {
        cohort->hold->on_unknown(now);
        rearm(cohort);
      }
    }
  }
  unanswered_ = unanswered_ || !unanswered.empty();
  for (auto& [id, departure] : departures_) {
    departure.sent = departure.riding = false;
    if (unanswered.contains(departure.token)) {
      departure.late = true;
      outlive(now, departure);
    }
  }
  for (const auto& [key, cohort] : cohorts_) {
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
  renewals_.clear();
  unconfirmed_.clear();
  const bool at_once = reconnect_delay_ == Duration::zero();
  if (!at_once) {
    back_off(now);  // the last connection brought nothing good either
  }
  if (now - *trouble_since_ >= settings_.patience) {
    fail_all(now, errc::unreachable, "the server accepts connections but does not answer", false);
  }
  if (!wants_connection()) {
    reconnect_at_.reset();
  } else if (at_once) {
    reconnect_delay_ = reconnect_backoff.after({});
    need_connection();
  }
}

void Engine::drop(Instant now, const std::string& why) {
  act(Report{LogLevel::warning, "connection dropped: " + why});
  act(Disconnect{why});
  forget_connection(now);
}

// The reply is to another request, so that of `pending` is still to come.
void Engine::drop_shifted(Instant now, const Pending& pending) {
  inflight_.push_front(pending);
  drop(now, "a reply to another request");
}

// A script answered as it should.
void Engine::on_good_reply() {
  trouble_since_.reset();
  reconnect_delay_ = {};
}

void Engine::on_disconnected(Instant now, const std::string& why) {
  if (connected_) {
    act(Report{LogLevel::warning, "connection lost: " + why});
    forget_connection(now);
  }
}

void Engine::on_connect_failed(Instant now, errc code, const std::string& what) {
  connecting_ = false;
  if (!trouble_since_) {
    trouble_since_ = now;
  }
  act(Report{LogLevel::warning, what});
  const bool hopeless =
      code != errc::unreachable || !ever_connected_ || now - *trouble_since_ >= settings_.patience;
  back_off(now);
  fail_all(now, code, what, !hopeless);
  if (!wants_connection()) {
    reconnect_at_.reset();
  }
}

void Engine::back_off(Instant now) {
  reconnect_delay_ = reconnect_backoff.after(reconnect_delay_);
  reconnect_at_ = now + jittered(reconnect_delay_, settings_.random());
}

// Ends waits: all, or only those which must not wait.
void Engine::fail_all(Instant now, errc code, const std::string& what, bool only_impatient) {
  std::vector<CohortPtr> cohorts;
  for (const auto& [key, cohort] : cohorts_) {
    cohorts.push_back(cohort);
  }
  std::sort(cohorts.begin(), cohorts.end(),
            [](const auto& a, const auto& b) { return a->id < b->id; });
  for (const auto& cohort : cohorts) {
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

// --- events from the server ---------------------------------------------------------------------

void Engine::on_reply(Instant now, const Reply& reply) {
  if (!connected_) {
    return;  // of a connection that was dropped in the middle of what it delivered
  }
  heard_ = answered_ = now;
  if (inflight_.empty()) {
    drop(now, "a reply that nothing asked for");
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
        subscribe_error_.emplace(reply.code, reply.what);
        // A free lock can be taken all the same; who would have to queue is refused.
        act(Report{LogLevel::error, "cannot be told of grants: " + reply.what});
      }
      break;
    case Verb::enroll:
    case Verb::withdraw:
      if (reply.is_error) {
        act(Report{LogLevel::info, "cannot register this client: " + reply.what});
      }
      break;
    case Verb::ping:
      break;
  }
}

void Engine::on_message(Instant now, std::string_view message) {
  if (!connected_) {
    return;
  }
  heard_ = now;
  Words words{message};
  const auto kind = words.next();
  if (kind == "grant") {
    on_grant(now, message);
  } else if (kind == "next") {
    on_next(now, words);
  } else if (kind == "break") {
    on_break(now, words);
  }
}

void Engine::close(Instant now) {
  closing_ = true;
  for (const auto waiter : waiters_.ids()) {
    cancel(now, waiter);
  }
}

void Engine::withdraw(Instant now) {
  if (connected_) {
    send(now, {Verb::withdraw, false, {registration_key(settings_.client)}, {}}, {});
  }
}

}  // namespace dlock::core
