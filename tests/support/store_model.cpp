// A reference model of the lock store: the rules of the protocol.
#include "support/store_model.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/wire/sha1.hpp"

namespace dlock::test {

namespace {

using namespace std::chrono_literals;
using std::to_string;

constexpr Micros waiter_life = 15s;    // not heard of for longer: dead
constexpr Micros waiter_refresh = 4s;  // a younger ticket proves life by itself
constexpr Millis queue_life = 20s;
constexpr Millis max_foreign_turn = 150ms;
constexpr Millis looks_again = 2500ms;  // a waiter, by itself
constexpr int max_dead = 64;
const std::string foreign_entry = "~";
// As Redis 7.0 puts it.
constexpr auto no_right =
    "ERR The user executing the script can't publish to the channel mentioned in the command";

Millis in_millis(Micros now) { return std::chrono::floor<Millis>(now); }

std::string echo_of(const std::string& token) { return token.substr(24, 8); }

std::string channel_of(const std::string& token) { return "dlock1:c:" + token.substr(7, 16); }

constexpr Millis max_claim = 3s;

// None for what is no token of a mutex.
Millis claim_of(const std::string& token) {
  const bool of_a_mutex = token.starts_with("dlock1:") && token.size() > 57 &&
                          token.find_first_not_of("0123456789", 57) == std::string::npos;
  return std::min(max_claim, Millis{of_a_mutex ? std::atoll(token.c_str() + 57) : 0});
}

}  // namespace

StoreModel::StoreModel(PublishFn publish) : publish_(std::move(publish)) {}

// The seal proves the message to whoever knows it.
std::string StoreModel::grant_of(const std::string& token, std::int64_t counter, Micros now,
                                 const std::string& seal) {
  const auto message = "grant " + token + ' ' + to_string(counter) + ' ' + to_string(now.count());
  if (seal.empty()) {
    return message;
  }
  const auto proof = core::sha1_of({seal, " ", message, " ", seal});
  return (message + ' ').append(proof.text());
}

// A new holder gets a fence above all earlier ones, also if the counter or the clock went back.
void StoreModel::own(Micros now, Lock& lock, const std::string& token, Millis life,
                     const std::string& seal) {
  fence_ = std::max(fence_ + 1, std::int64_t{now.count()});
  set_owner(now, lock, token, life, seal);
}

void StoreModel::set_owner(Micros now, Lock& lock, const std::string& token, Millis life,
                           const std::string& seal) {
  lock.value = Value{.kind = Value::Kind::ours,
                     .text = token,
                     .counter = fence_,
                     .expires_at = in_millis(now) + life,
                     .seal = seal};
}

void StoreModel::tell_head(const Lock& lock, Millis in) {
  const auto head = lock.queue.first_but(foreign_entry);
  if (!head.empty()) {
    publish_(channel_of(head), "next " + head + ' ' + to_string(in.count()));
  }
}

// How long the lock is still to stay free for clients that do not queue, whose entry was popped. A
// negative score says that their turn has begun, and when it ends. It begins only where they could
// not have taken the lock by now, and somebody else would.
Micros StoreModel::foreign_turn(Micros now, const Lock& lock, std::int64_t score,
                                std::string_view me, bool yields) const {
  if (score < 0) {
    return std::min<Micros>(Micros{-score} - now, max_foreign_turn);
  }
  const bool begins = yields || (me.empty() && !lock.queue.empty());
  return begins ? max_foreign_turn : 0ms;
}

// Offers the lock to a waiter just popped. No outcome: it is dead, the next one's turn.
std::optional<StoreModel::Outcome> StoreModel::grant(Micros now, Lock& lock,
                                                     const ModelQueue::Entry& waiter,
                                                     const std::string& seal) {
  std::optional<std::int64_t> seen;
  const auto ticket = std::abs(waiter.score);  // below zero: of permits
  if (now.count() - ticket > waiter_refresh.count()) {
    seen = lock.seen.take(waiter.token);
    if (now.count() - seen.value_or(ticket) > waiter_life.count()) {
      return std::nullopt;
    }
  }
  const Millis claim = claim_of(waiter.token);
  if (claim < 1ms) {
    return std::nullopt;
  }
  own(now, lock, waiter.token, claim, seal);
  const int receivers =
      publish_(channel_of(waiter.token), grant_of(waiter.token, fence_, now, seal));
  if (receivers < 0) {
    lock.value.reset();
    lock.queue.put(waiter.token, waiter.score);
    lock.queue.expires_at = in_millis(now) + queue_life;
    if (seen) {
      lock.seen.note(now, waiter.token, *seen, queue_life);
    }
    return Outcome::mute;
  }
  if (receivers == 0) {
    return std::nullopt;
  }
  if (claim < looks_again) {
    tell_head(lock, claim);
  }
  return Outcome::granted;
}

StoreModel::HandOff StoreModel::hand_off(Micros now, Lock& lock, std::string_view me, bool yields,
                                         const std::string& seal) {
  for (int passed = 0; passed < max_dead; ++passed) {
    if (lock.queue.empty()) {
      lock.value.reset();
      return {.outcome = Outcome::nobody};
    }
    const auto head = lock.queue.pop();
    if (head.token == me) {
      lock.seen.take(head.token);
      return {.outcome = Outcome::yours};
    }
    if (head.token == foreign_entry) {
      const Micros left = foreign_turn(now, lock, head.score, me, yields);
      if (left > 0us) {
        const auto left_ms = std::chrono::ceil<Millis>(left);
        lock.value.reset();
        lock.queue.put(foreign_entry, -(now + left).count());
        lock.queue.expires_at = in_millis(now) + queue_life;
        if (head.score >= 0) {
          tell_head(lock, left_ms);
        }
        return {.outcome = Outcome::foreign_turn, .left = left_ms};
      }
    } else if (const auto outcome = grant(now, lock, head, seal)) {
      return {.outcome = *outcome};
    }
  }
  lock.value.reset();
  tell_head(lock, 0ms);
  return {.outcome = Outcome::nobody};
}

std::string StoreModel::acquire(Micros now, const Acquire& request) {
  Lock& lock = at(now, request.key);
  if (lock.value && lock.value->kind >= Value::Kind::wrong_type) {
    return "-WRONGTYPE";
  }
  if (request.recent && request.old.empty() && !lock.value && lock.queue.empty()) {
    // As long as the counter has not gone back, the next one will do.
    if (++fence_ > *request.recent) {
      set_owner(now, lock, request.token, request.ttl);
      return echo_of(request.token) + " acquired " + to_string(fence_);
    }
  }
  const bool gives_up = !request.old.empty() && lock.held_by(request.old);
  if (request.wait && !gives_up && !request.seal.empty() && lock.value &&
      lock.value->kind == Value::Kind::ours && lock.value->text != request.token &&
      lock.value->seal.empty()) {
    lock.value->seal = request.seal;
  }
  if (request.wait && !gives_up && lock.value && lock.value->kind == Value::Kind::ours &&
      lock.value->text != request.token && lock.value->form == Value::Form::bare) {
    lock.value->form = Value::Form::queued_behind;
  }
  const auto reply = take_or_queue(now, lock, request, gives_up);
  const char* given_up = gives_up ? " released" : " not_held";
  return echo_of(request.token) + reply + (request.old.empty() ? "" : given_up);
}

std::string StoreModel::acquire_bare(Micros now, const std::string& key, const std::string& token,
                                     Millis ttl) {
  Lock& lock = at(now, key);
  const bool was_free = !lock.value;
  if (was_free) {
    lock.value = Value{.kind = Value::Kind::ours,
                       .form = Value::Form::bare,
                       .text = token,
                       .expires_at = in_millis(now) + ttl};
  }
  const bool is_text = lock.value->kind < Value::Kind::wrong_type;
  return std::string{was_free ? "OK " : "(nil) "} +
         (is_text ? show(*lock.value).substr(0, token.size() + 1) : "-WRONGTYPE") + ' ' +
         to_string(++fence_) + (lock.queue.empty() ? " 0" : " 1");
}

std::string StoreModel::release_bare(Micros now, const std::string& key, const std::string& token) {
  Lock& lock = at(now, key);
  const bool is_bare = lock.held_by(token) && lock.value->form == Value::Form::bare;
  if (is_bare) {
    lock.value.reset();
  }
  return is_bare ? "1" : "0";
}

std::string StoreModel::acquire_all(Micros now, std::span<const Acquire> requests) {
  const auto echo = echo_of(requests.front().token);
  for (const auto& request : requests) {
    Lock& lock = at(now, request.key);
    if (lock.value && lock.value->kind >= Value::Kind::wrong_type) {
      return "-WRONGTYPE";
    }
    const bool was_taken = lock.value.has_value();
    if (!was_taken && !lock.queue.empty()) {
      const HandOff result = hand_off(now, lock, {}, false);
      if (result.outcome == Outcome::foreign_turn) {
        return echo + " busy " + to_string(result.left.count());
      }
    }
    if (lock.value && (!was_taken || !lock.held_by(request.token))) {
      return echo + " busy " + to_string(pttl(lock.value->expires_at, now));
    }
  }
  std::string reply = echo + " acquired";
  for (const auto& request : requests) {
    Lock& lock = at(now, request.key);
    lock.leave(request.token);
    if (lock.value && lock.value->form == Value::Form::recorded) {
      lock.value->expires_at = in_millis(now) + request.ttl;
    } else {
      own(now, lock, request.token, request.ttl);
    }
    reply += ' ' + to_string(lock.value->counter);
  }
  return reply;
}

std::string StoreModel::take_or_queue(Micros now, Lock& lock, const Acquire& request,
                                      bool gives_up) {
  const bool is_own = lock.held_by(request.token);
  const bool is_recorded = is_own && lock.value->form == Value::Form::recorded;
  if (is_own && (is_recorded || request.keep || lock.queue.empty())) {
    lock.leave(request.token);
    if (is_recorded) {
      lock.value->expires_at = in_millis(now) + request.ttl;
    } else {
      own(now, lock, request.token, request.ttl, std::string{lock.value->seal});
    }
    return " acquired " + to_string(lock.value->counter);
  }

  std::optional<Millis> left;
  if (!lock.value || gives_up || is_own) {
    if (gives_up && lock.value->form != Value::Form::recorded) {
      lock.leave(request.old);
    }
    const bool somebody_waits = !lock.queue.empty();
    const auto former = lock.value ? lock.value->seal : "";
    const auto seal = !somebody_waits ? "" : former.empty() ? request.seal : former;
    const HandOff result = somebody_waits ? hand_off(now, lock, request.token, gives_up, seal)
                                          : HandOff{Outcome::nobody};
    if (result.outcome == Outcome::foreign_turn) {
      left = result.left;
    } else if (result.outcome != Outcome::granted) {
      own(now, lock, request.token, request.ttl, seal);
      lock.leave(request.token);
      return " acquired " + to_string(fence_);
    }
  }

  if (!left) {
    left = Millis{pttl(lock.value->expires_at, now)};
  }
  if (!request.wait) {
    return " busy " + to_string(left->count());
  }
  return enqueue(now, lock, request, *left);
}

std::string StoreModel::enqueue(Micros now, Lock& lock, const Acquire& request, Millis left) {
  const bool foreign = lock.value && lock.value->kind == Value::Kind::foreign;
  if (foreign && lock.queue.score(foreign_entry).value_or(-1) < 0) {
    lock.queue.put(foreign_entry, now.count());
  }
  const auto queued = lock.queue.score(request.token);
  const auto ticket = request.ticket.value_or(queued.value_or(now.count()));
  if (!queued) {
    lock.queue.put(request.token, ticket);
  }
  lock.queue.expires_at = in_millis(now) + queue_life;
  if (now.count() - ticket > waiter_refresh.count()) {
    lock.seen.times[request.token] = now.count();
    lock.seen.expires_at = in_millis(now) + queue_life;
  }
  auto place = lock.queue.place(request.token);
  if (foreign && lock.queue.place(foreign_entry) < place) {
    --place;
  }
  std::string reply = " queued ";
  for (const auto number : {left.count(), static_cast<std::int64_t>(place), ticket, now.count()}) {
    reply += to_string(number) + ' ';
  }
  const bool sealed = lock.value && !lock.value->seal.empty();
  return reply + (foreign ? "foreign" : "ours") + (sealed ? ':' + lock.value->seal : "");
}

std::string StoreModel::release(Micros now, const std::string& key, const std::string& token,
                                std::optional<Millis> keep) {
  Lock& lock = at(now, key);
  const bool held = lock.held_by(token);
  const auto seal = held ? lock.value->seal : "";
  if (held && keep) {
    const auto end = in_millis(now) + *keep;
    lock.value->expires_at = std::min(lock.value->expires_at.value_or(end), end);
    if (*keep < looks_again) {
      tell_head(lock, *keep);
    }
    return echo_of(token) + " released";
  }
  if (!held || lock.value->form != Value::Form::recorded) {
    lock.leave(token);
  }
  bool mute = false;
  if (held || !lock.value) {
    if (!lock.queue.empty()) {
      mute = hand_off(now, lock, {}, false, seal).outcome == Outcome::mute;
    } else {
      lock.value.reset();
    }
  }
  return echo_of(token) + (held ? " released" : " not_held") +
         (mute ? std::string{" mute "} + no_right : "");
}

std::string StoreModel::renew(Micros now, std::string_view echo,
                              std::span<const Renewal> renewals) {
  std::string letters;
  for (const auto& renewal : renewals) {
    Lock& lock = at(now, renewal.key);
    if (lock.held_by(renewal.token)) {
      auto& value = *lock.value;
      if (value.form != Value::Form::recorded) {
        lock.leave(renewal.token);
        value.form = Value::Form::recorded;
        value.counter = renewal.counter;
      }
      value.to_break = value.to_break && value.sequence == renewal.sequence;
      value.sequence = renewal.sequence;
      keep_for(value.expires_at, now, renewal.ttl);
      letters += value.to_break ? 'b' : 'k';
    } else {
      const bool was_there = lock.value.has_value();
      if (!was_there && !lock.queue.empty()) {
        hand_off(now, lock, {}, false);
      }
      letters += was_there ? 't' : 'l';
    }
  }
  return std::string{echo} + ' ' + letters;
}

std::string StoreModel::write_fence(Micros now, const std::string& key, const std::string& token,
                                    Millis ttl, std::int64_t counter) {
  Lock& lock = at(now, key);
  if (!lock.held_by(token)) {
    return echo_of(token) + " lost";
  }
  fence_ = std::max(fence_, counter);
  lock.value->counter = counter;
  lock.value->form = Value::Form::recorded;
  keep_for(lock.value->expires_at, now, ttl);
  return echo_of(token) + " written";
}

std::string StoreModel::break_(Micros now, const std::string& key, std::int64_t counter,
                               int sequence, bool ask) {
  Lock& lock = at(now, key);
  if (lock.value && lock.value->kind >= Value::Kind::wrong_type) {
    return "-WRONGTYPE";
  }
  if (!lock.value || lock.value->kind != Value::Kind::ours ||
      lock.value->form != Value::Form::recorded || lock.value->counter != counter) {
    return "not_holder";
  }
  if (ask) {
    lock.value->to_break = lock.value->to_break || lock.value->sequence == sequence;
    const auto& token = lock.value->text;
    const int asked = publish_(
        channel_of(token), "break " + token + ' ' + to_string(counter) + ' ' + to_string(sequence));
    return "asked " + to_string(std::max(asked, 0));
  }
  if (lock.value->sequence != sequence) {
    return "not_holder";
  }
  take_away(now, lock);
  return "broken";
}

std::string StoreModel::break_unrecorded(Micros now, const std::string& key,
                                         const std::string& value) {
  Lock& lock = at(now, key);
  if (lock.value && lock.value->kind >= Value::Kind::wrong_type) {
    return "-WRONGTYPE";
  }
  if (!lock.value || lock.value->kind != Value::Kind::ours ||
      lock.value->form == Value::Form::recorded || show(*lock.value) != value) {
    return "not_holder";
  }
  take_away(now, lock);
  return "broken";
}

void StoreModel::take_away(Micros now, Lock& lock) {
  if (!lock.queue.empty()) {
    const auto seal = lock.value->seal;
    hand_off(now, lock, {}, false, seal);
  } else {
    lock.value.reset();
  }
}

}  // namespace dlock::test
