// The part of the reference model that is waited at and not held: what all gates share, condition
// variables and latches.
#include "support/gates_model.hpp"

#include <algorithm>

#include "support/permits_terms.hpp"

namespace dlock::test {

using std::to_string;

// --- what all gates share -----------------------------------------------------------------------

void GateModel::Parts::join(const std::string& token) {
  tokens.insert(token);
  ever = true;
}

void GateModel::Parts::show(std::map<std::string, std::string>& fields) const {
  for (const auto& token : tokens) {
    fields[token] = "part";
  }
  if (ever) {
    fields["parts"] = to_string(tokens.size());
  }
}

bool GateModel::is_over(const std::optional<Millis>& expires_at) const {
  return expires_at && std::chrono::floor<Millis>(now_) > *expires_at;
}

Millis GateModel::after(Millis life) const { return std::chrono::floor<Millis>(now_) + life; }

void GateModel::keep_gate_for(Millis life) { StoreModel::keep_for(expires_at_, now_, life); }

void GateModel::lose_gate() {
  forget_gate();
  is_list_ = false;
  expires_at_.reset();
}

void GateModel::become_list() {
  lose_gate();
  is_list_ = true;
}

void GateModel::lose_all() {
  lose_gate();
  lose_queue();
  lose_third();
}

bool GateModel::begin(Micros now) {
  now_ = now;
  if (is_over(expires_at_)) {
    lose_gate();
  }
  if (is_over(queue_.expires_at)) {
    lose_queue();
  }
  if (is_over(third_expires_at())) {
    lose_third();
  }
  return !is_list_;
}

std::vector<ModelQueue::Entry> GateModel::third() const {
  std::vector<ModelQueue::Entry> entries;
  for (const auto& [token, time] : seen_.times) {
    entries.push_back({token, time});
  }
  return entries;
}

GateState GateModel::state(Micros now) {
  GateState state;
  state.fields = begin(now) ? fields() : std::map<std::string, std::string>{{"(wrong type)", ""}};
  if (!state.fields.empty()) {
    state.pttl = StoreModel::pttl(expires_at_, now);
  }
  state.queue = queue_.entries();
  if (!state.queue.empty()) {
    state.queue_pttl = StoreModel::pttl(queue_.expires_at, now);
  }
  state.third = third();
  if (!state.third.empty()) {
    state.third_pttl = StoreModel::pttl(third_expires_at(), now);
  }
  return state;
}

int GateModel::publish(const std::string& token, const std::string& message) {
  return store_.publish_(channel_of(token), message);
}

// The ticket under which the token stands in the queue from now on.
std::int64_t GateModel::stand(const std::string& token, std::int64_t ticket) {
  const auto queued = queue_.score(token);
  if (!queued) {
    queue_.put(token, ticket);
  }
  queue_.expires_at = after(queue_life);
  return queued.value_or(ticket);
}

bool GateModel::leave_queue(const std::string& token) {
  if (!queue_.remove(token)) {
    return false;
  }
  seen_.take(token);
  return true;
}

// The reply to one that waits in the queue.
std::string GateModel::stay(const std::string& token) {
  const auto ticket = *queue_.score(token);
  queue_.expires_at = after(queue_life);
  if (now_.count() - ticket > waiter_refresh.count()) {
    seen_.note(now_, token, now_.count(), queue_life);
  }
  return echo_of(token) + " queued -1 0 " + to_string(ticket) + ' ' + to_string(now_.count()) +
         " ours";
}

bool GateModel::is_dead(const ModelQueue::Entry& waiter) const {
  const auto seen = seen_.times.find(waiter.token);
  const auto heard = seen == seen_.times.end() ? waiter.score : seen->second;
  return now_.count() - waiter.score > waiter_refresh.count() &&
         now_.count() - heard > waiter_life.count();
}

// Wakes one or all of those with a ticket up to `latest`. Whether there may be more.
bool GateModel::wake(std::optional<std::int64_t> latest, bool all) {
  int taken = 0;
  for (const auto& waiter : queue_.entries()) {
    if (taken == max_at_once || (latest && waiter.score > *latest)) {
      break;
    }
    ++taken;
    const bool dead = is_dead(waiter);
    leave_queue(waiter.token);
    const auto grant = "grant " + waiter.token + " 0 " + to_string(now_.count());
    if (!dead && publish(waiter.token, grant) != 0 && !all) {
      return false;
    }
  }
  return taken == max_at_once;
}

void GateModel::tell_head() {
  if (!queue_.empty()) {
    const auto head = queue_.entries().front().token;
    publish(head, "next " + head + " 0");
  }
}

bool GateModel::is_there(const std::string& part) {
  const auto& parts = store_.at(now_, parts_).value;
  const auto end = parts && parts->holders.contains(part) ? parts->holders.at(part) : 0;
  return end > now_.count();
}

bool GateModel::is_one_missing(const Parts& joined) {
  const auto& parts = store_.at(now_, parts_).value;
  std::size_t there = 0;
  if (parts) {
    for (const auto& [token, end] : parts->holders) {
      there += end > now_.count() ? 1 : 0;
    }
  }
  return joined.tokens.size() > there;
}

// --- condition variables ------------------------------------------------------------------------

std::string ConditionModel::enter(Micros now, const std::string& token) {
  begin(now);
  return echo_of(token) + " acquired " + to_string(stand(token, now.count()));
}

std::string ConditionModel::wait(Micros now, const std::string& token) {
  begin(now);
  return queue_.score(token) ? stay(token) : echo_of(token) + " acquired 0";
}

std::string ConditionModel::notify(Micros now, const std::string& token, bool all,
                                   std::optional<std::int64_t> latest) {
  begin(now);
  if (!latest && !queue_.empty()) {
    latest = queue_.entries().back().score;
  }
  const bool more = wake(latest, all);
  return echo_of(token) + " acquired " + (more ? to_string(*latest) : "0");
}

std::string ConditionModel::leave(Micros now, const std::string& token) {
  begin(now);
  if (leave_queue(token)) {
    return echo_of(token) + " released";
  }
  while (wake({}, false)) {
  }
  return echo_of(token) + " not_held";
}

// --- latches ------------------------------------------------------------------------------------

std::map<std::string, std::string> LatchModel::fields() const {
  if (!latch_) {
    return {};
  }
  std::map<std::string, std::string> fields{{"count", to_string(latch_->count)},
                                            {"left", to_string(latch_->left)}};
  for (const auto& [token, by] : latch_->counted) {
    fields[token] = to_string(by);
  }
  latch_->parts.show(fields);
  return fields;
}

// False: it was to be counted by a part that is not there.
bool LatchModel::count_down(const Request& request) {
  if (latch_->counted.contains(request.token)) {
    return true;
  }
  if (!request.part.empty()) {
    if (!is_there(request.part)) {
      return false;
    }
    latch_->parts.leave(request.part);
  }
  latch_->counted[request.token] = request.by;
  latch_->left = std::max<std::int64_t>(latch_->left - request.by, 0);
  return true;
}

std::string LatchModel::ask(Micros now, const Request& request) {
  if (!begin(now)) {
    return "-WRONGTYPE";
  }
  const auto echo = echo_of(request.token);
  if (latch_ && latch_->count != request.count) {
    leave_queue(request.token);
    return echo + " other " + to_string(latch_->count);
  }
  if (!latch_) {
    if (request.ticket) {
      return echo + " broken";
    }
    latch_ = Latch{.count = request.count, .left = request.count};
  }
  keep_gate_for(request.keep);
  if (request.mode == "join") {
    latch_->parts.join(request.part);
  }
  if (request.mode == "count" && !count_down(request)) {
    return echo + " broken";
  }
  return pass(request);
}

// The reply to a request that has changed the latch.
std::string LatchModel::pass(const Request& request) {
  const auto echo = echo_of(request.token);
  if (latch_->left == 0) {
    leave_queue(request.token);
    if (wake({}, true)) {
      tell_head();
    }
  }
  if (latch_->left == 0 || request.mode == "count" || request.mode == "join") {
    return echo + " acquired " + to_string(latch_->left);
  }
  if (is_one_missing(latch_->parts)) {
    leave_queue(request.token);
    return echo + " broken";
  }
  if (request.mode == "try") {
    return echo + " busy -1";
  }
  stand(request.token, request.ticket.value_or(now_.count()));
  return stay(request.token);
}

std::string LatchModel::leave(Micros now, const std::string& token) {
  begin(now);
  return echo_of(token) + (leave_queue(token) ? " released" : " not_held");
}

}  // namespace dlock::test
