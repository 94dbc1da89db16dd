// Tokens that the client removes from the server.
#include "core/engine/departures.hpp"

#include <algorithm>
#include <string>

#include "core/engine/backoff.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration reappear_time = milliseconds{500};
constexpr Backoff release_backoff{milliseconds{250}, seconds{4}};  ///< after errors

}  // namespace

void Departures::add(Instant now, Id id, Departure&& departure) {
  // The next commands must find the release done, also on a server that does not know the script
  // yet.
  departure.whole = is_gate(departure.lock.kind);
  departure.answer_by = now + request_timeout_;
  outlive(now, departure);
  wake_by(departure.lease != 0 ? std::min(departure.answer_by, departure.until) : departure.until);
  all_.emplace(id, std::move(departure));
}

Command Departures::command(Instant now, Id id) {
  auto& departure = all_.at(id);
  departure.sent = true;
  departure.riding = false;
  departure.again.reset();
  Command command;
  command.verb = Verb::release;
  command.whole = departure.whole;
  command.kind = departure.lock.kind;
  if (is_gate(departure.lock.kind)) {
    command.keys = keys_of_script(departure.lock);
    command.args.emplace_back(departure.token);
    return command;
  }
  command.bare = departure.bare;
  auto& words = command.lock.emplace();
  words.lock = departure.lock.key;
  words.token = departure.token;
  if (departure.hold_off_until > now) {
    words.span_ms = std::chrono::ceil<milliseconds>(departure.hold_off_until - now).count();
  }
  return command;
}

const Token& Departures::ride(Id id) {
  auto& departure = all_.at(id);
  departure.sent = departure.riding = true;
  return departure.token;
}

Departures::Verdict Departures::on_reply(Instant now, Id id, const Reply& reply) {
  const auto found = all_.find(id);
  if (found == all_.end()) {
    return Verdict::none;
  }
  auto& departure = found->second;
  if (reply.unknown_script) {
    departure.whole = true;
    return Verdict::resend;
  }
  if (departure.bare) {
    return on_bare_reply(now, id, departure, reply);
  }
  if (reply.is_error) {
    output_.act(Report{LogLevel::warning, "release failed: " + reply.what});
    // A user without the right to release has none to acquire either; all other states of a server
    // may end.
    if (reply.code != errc::refused || departure.held || departure.may_reappear) {
      departure.back_off = release_backoff.after(departure.back_off);
      again(now, departure, departure.back_off);
    } else {
      forget(id);
    }
    return Verdict::none;
  }
  Words words{reply.text};
  if (words.next() != echo_of(departure.token)) {
    return Verdict::shifted;
  }
  const auto outcome = words.next();
  if (words.next() == "mute") {
    output_.act(Report{LogLevel::error, "cannot publish grants, so hand-offs take seconds: " +
                                            std::string{words.rest()}});
  }
  finish(now, id, outcome == "released" ? Released::Kind::released : Released::Kind::not_held);
  return Verdict::good;
}

// Only the script hands the lock on, and knows what else may be left of the token.
Departures::Verdict Departures::on_bare_reply(Instant now, Id id, Departure& departure,
                                              const Reply& reply) {
  if (!reply.is_error && reply.text == "1") {
    finish(now, id, Released::Kind::released);
    return Verdict::good;
  }
  if (!reply.is_error && reply.text != "0") {
    return Verdict::shifted;
  }
  departure.bare = departure.whole = false;
  return Verdict::resend;
}

void Departures::finish(Instant now, Id id, Released::Kind kind) {
  const auto found = all_.find(id);
  if (found == all_.end()) {
    return;
  }
  auto& departure = found->second;
  if (kind == Released::Kind::not_held && departure.may_be_done) {
    kind = Released::Kind::released;  // by the release whose answer was lost
  }
  if (departure.lease != 0) {
    if (kind == Released::Kind::released) {
      output_.statistics->released(departure.group);
    } else if (kind == Released::Kind::not_held) {
      output_.statistics->lost(departure.group, Loss::gone);  // as nobody knew before
    }
    output_.act(Released{std::exchange(departure.lease, 0), kind});
  }
  if (departure.may_reappear) {
    again(now, departure, reappear_time);
  } else {
    forget(id);
  }
}

void Departures::outlive(Instant now, Departure& departure) {
  departure.until = now + departure.life + seconds{1};
}

void Departures::outlive(Instant now, std::string_view token) {
  for (auto& [id, departure] : all_) {
    if (departure.token == token) {
      outlive(now, departure);
    }
  }
}

void Departures::again(Instant now, Departure& departure, Duration delay) {
  departure.sent = departure.riding = departure.bare = false;
  departure.again = now + delay;
  wake_by(*departure.again);
}

void Departures::forget(Id id) {
  all_.erase(id);
  if (all_.empty()) {
    timer_.reset();
  }
}

void Departures::on_disconnected(Instant now, const std::function<bool(const Token&)>& was_asked) {
  for (auto& [id, departure] : all_) {
    departure.may_be_done = departure.may_be_done || departure.sent;
    departure.sent = departure.riding = departure.bare = false;
    if (was_asked(departure.token)) {
      departure.late = true;
      outlive(now, departure);
    }
  }
}

void Departures::on_connected(bool old_is_dead) {
  for (auto& [id, departure] : all_) {
    departure.may_reappear = departure.may_reappear || (departure.late && !old_is_dead);
    departure.late = false;
  }
}

void Departures::on_timer(Instant now, bool is_connected, const std::function<void(Id)>& send) {
  if (!timer_ || now < *timer_) {
    return;
  }
  timer_.reset();
  for (auto entry = all_.begin(); entry != all_.end();) {
    auto& departure = entry->second;
    const bool is_over = departure.until <= now;
    if (departure.lease != 0 && (is_over || departure.answer_by <= now)) {
      output_.act(Released{std::exchange(departure.lease, 0), Released::Kind::unknown});
      output_.act(Unanswered{});
    }
    if (is_over) {
      entry = all_.erase(entry);
      continue;
    }
    if (departure.again && *departure.again <= now && is_connected) {
      send(entry->first);
    }
    wake_by(departure.until);
    if (departure.lease != 0) {
      wake_by(departure.answer_by);
    }
    if (departure.again && is_connected) {
      wake_by(*departure.again);
    }
    ++entry;
  }
}

bool Departures::settled() const {
  return std::none_of(all_.begin(), all_.end(),
                      [](const auto& entry) { return entry.second.held || !entry.second.again; });
}

}  // namespace dlock::core
