// Engine: departures, the tokens that must not stay on the server.
#include <algorithm>

#include "core/backoff.hpp"
#include "core/engine.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration reappear_time = milliseconds{500};
constexpr Backoff release_backoff{milliseconds{250}, seconds{4}};  ///< after errors

}  // namespace

// Of the token that has the lease.
Engine::DepartureId Engine::give_back(Instant now, const CohortPtr& cohort, LeaseId lease,
                                      bool riding) {
  const auto& hold = *cohort->hold;
  const auto& record = *hold.record();
  const auto id = depart(now, record.token, cohort->lock, hold.terms().ttl, lease, riding,
                         record.hold_off_until.load());
  auto& departure = departures_.at(id);
  departure.held = true;
  departure.late = std::exchange(cohort->unanswered, false);
  departure.may_reappear = std::exchange(cohort->may_reappear, false);
  return id;
}

Engine::DepartureId Engine::depart(Instant now, Token token, const LockId& lock, Duration ttl,
                                   LeaseId lease, bool riding, Instant hold_off_until) {
  const DepartureId id = ++last_id_;
  auto& departure = departures_[id];
  departure.token = std::move(token);
  departure.lock = lock;
  departure.life = ttl;
  departure.hold_off_until = hold_off_until;
  // What comes behind it must find it done, also on a server that does not know the script yet.
  departure.whole = is_gate(lock.kind);
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
  command.kind = departure.lock.kind;
  command.keys = keys_of_script(departure.lock);
  command.args.push_back(departure.token);
  if (departure.hold_off_until > now) {
    const auto left = std::chrono::ceil<milliseconds>(departure.hold_off_until - now);
    command.args.push_back(std::to_string(left.count()));
  }
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
    if (reply.code != errc::refused || departure.held || departure.may_reappear) {
      departure.back_off = release_backoff.after(departure.back_off);
      release_again(now, departure, departure.back_off);
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
    output_.counters.released += kind == Released::Kind::released ? 1 : 0;
    act(Released{departure.lease, kind});
    departure.lease = 0;
  }
  if (departure.may_reappear) {
    release_again(now, departure, reappear_time);
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
