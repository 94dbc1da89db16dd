// The part of the reference model that is waited at and not held: barriers.
#include <algorithm>
#include <utility>

#include "support/gates_model.hpp"
#include "support/permits_terms.hpp"

namespace dlock::test {

using std::to_string;

namespace {

constexpr Millis barrier_life = std::chrono::minutes{10};
constexpr std::int64_t told = -1;  // the score of one that knows how its phase ended

}  // namespace

std::map<std::string, std::string> BarrierModel::fields() const {
  if (!barrier_) {
    return {};
  }
  std::map<std::string, std::string> fields{{"parties", to_string(barrier_->parties)},
                                            {"phase", to_string(barrier_->phase)},
                                            {"broken", to_string(barrier_->broken)}};
  if (barrier_->passed) {
    fields["passed"] = to_string(*barrier_->passed);
  }
  if (barrier_->ended) {
    fields["ended"] = to_string(*barrier_->ended);
  }
  if (!barrier_->reset.empty()) {
    fields["reset"] = barrier_->reset;
  }
  barrier_->parts.show(fields);
  return fields;
}

bool BarrierModel::Barrier::has_passed(std::int64_t earlier) const {
  return earlier == passed || (earlier > broken && earlier < phase);
}

void BarrierModel::make(std::int64_t parties) {
  barrier_ = Barrier{.parties = parties, .phase = now_.count(), .broken = now_.count() - 1};
  lose_queue();
  lose_third();
}

// Moves the waiters to those that must be told.
void BarrierModel::end_phase() {
  if (!queue_.empty()) {
    ended_ = std::exchange(queue_, {});
    barrier_->ended = barrier_->phase;
  }
}

void BarrierModel::break_phase() {
  barrier_->broken = barrier_->phase;
  end_phase();
}

bool BarrierModel::is_one_silent(const std::string& but) const {
  const auto entries = queue_.entries();
  return std::any_of(entries.begin(), entries.end(), [&](const auto& party) {
    return party.token != but && now_.count() - party.score > waiter_life.count();
  });
}

std::string BarrierModel::ask(Micros now, const Request& request) {
  if (!begin(now)) {
    return "-WRONGTYPE";
  }
  const auto echo = echo_of(request.token);
  if (barrier_ && barrier_->parties != request.parties) {
    return echo + " other " + to_string(barrier_->parties);
  }
  if (!barrier_) {
    if (request.phase) {
      return echo + " broken";
    }
    make(request.parties);
  }
  expires_at_ = after(barrier_life);
  if (request.mode == "join") {
    barrier_->parts.join(request.part);
  } else if (request.mode == "leave") {
    barrier_->parts.leave(request.part);
  } else if (request.mode == "reset") {
    return reset(request.token);
  } else {
    return arrive(request);
  }
  return echo + " acquired " + to_string(barrier_->phase);
}

std::string BarrierModel::reset(const std::string& token) {
  if (barrier_->reset != token) {
    barrier_->reset = token;
    break_phase();
    const auto joined = barrier_->parts.tokens;
    for (const auto& part : joined) {
      if (!is_there(part)) {
        barrier_->parts.leave(part);
      }
    }
    ++barrier_->phase;
    tell_ended();
  }
  return echo_of(token) + " acquired " + to_string(barrier_->phase);
}

std::string BarrierModel::arrive(const Request& request) {
  const auto& token = request.token;
  if (is_one_silent(token) || is_one_missing(barrier_->parts)) {
    break_phase();
  }
  const auto mine = request.phase         ? *request.phase
                    : ended_.score(token) ? *barrier_->ended
                                          : barrier_->phase;
  if (mine == barrier_->phase && barrier_->broken < mine) {
    queue_.put(token, now_.count());
    queue_.expires_at = after(barrier_life);
    if (std::cmp_less(queue_.entries().size(), barrier_->parties)) {
      return echo_of(token) + " queued -1 0 " + to_string(mine) + ' ' + to_string(now_.count()) +
             " ours";
    }
    barrier_->passed = mine;
    end_phase();
    ++barrier_->phase;
  }
  if (ended_.score(token)) {
    ended_.put(token, told);
  }
  tell_ended();
  return echo_of(token) + (barrier_->has_passed(mine) ? " acquired " + to_string(mine) : " broken");
}

void BarrierModel::tell_ended() {
  int number = 0;
  for (const auto& [token, score] : ended_.entries()) {
    if (score == told) {
      continue;
    }
    const bool is_last = ++number > max_at_once;
    if (is_last || barrier_->ended != barrier_->passed) {
      publish(token, "next " + token + " 0");
    } else {
      publish(token,
              "grant " + token + ' ' + to_string(*barrier_->ended) + ' ' + to_string(now_.count()));
    }
    if (is_last) {
      return;
    }
    ended_.put(token, told);
  }
}

std::string BarrierModel::leave(Micros now, const std::string& token) {
  if (!begin(now)) {
    return "-WRONGTYPE";
  }
  if (!barrier_ || !queue_.score(token)) {
    return echo_of(token) + " not_held";
  }
  break_phase();
  ended_.put(token, told);
  tell_ended();
  return echo_of(token) + " released";
}

}  // namespace dlock::test
