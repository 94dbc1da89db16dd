// The part of the reference model that holds permits: its rules.
#include "support/permits_model.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "support/permits_terms.hpp"

namespace dlock::test {

using std::to_string;

std::map<std::string, Micros> permits_holders(const std::string& value) {
  std::map<std::string, Micros> holders;
  std::istringstream words{value};
  for (std::string word; value.starts_with("permits ") && words >> word;) {
    if (const auto at = word.find('@'); at != word.npos) {
      holders[word.substr(0, at)] = Micros{std::stoll(word.substr(at + 1))};
    }
  }
  return holders;
}

bool PermitsModel::Visit::leave(const std::string& token) {
  if (!holds(token)) {
    return false;
  }
  lock.value->used -= terms_of(token)->weight;
  lock.value->holders.erase(token);
  lock.value->marked.erase(token);
  if (const auto written = lock.value->written.extract(token)) {
    lock.value->greatest_written = std::max(lock.value->greatest_written, written.mapped());
  }
  lock.seen.take(token);
  if (lock.value->used <= 0) {
    lock.value.reset();
  }
  return true;
}

std::int64_t PermitsModel::Visit::left_ms() const {
  if (!lock.value) {
    return -1;
  }
  const auto& holders = lock.value->holders;
  const auto first =
      std::min_element(holders.begin(), holders.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto left = std::chrono::ceil<Millis>(Micros{first->second} - now).count();
  return std::max<std::int64_t>(left, 0);
}

bool PermitsModel::Visit::is_alive(const ModelQueue::Entry& waiter) const {
  const auto ticket = std::abs(waiter.score);
  if (now.count() - ticket <= waiter_refresh.count()) {
    return true;
  }
  const auto seen = lock.seen.times.find(waiter.token);
  const auto heard = seen == lock.seen.times.end() ? ticket : seen->second;
  return now.count() - heard <= waiter_life.count();
}

// The lock at `key`, after those holders left whose time is over.
PermitsModel::Visit PermitsModel::look(Micros now, const std::string& key) {
  Visit visit{.lock = store_.at(now, key), .now = now};
  auto& value = visit.lock.value;
  if (!value) {
    return visit;
  }
  visit.usable = value->kind == Value::Kind::permits;
  if (!visit.usable) {
    return visit;
  }
  visit.capacity = value->capacity;
  visit.seal = value->seal;
  std::vector<std::pair<std::int64_t, std::string>> over;
  for (const auto& [token, end] : value->holders) {
    if (end <= now.count()) {
      over.emplace_back(end, token);
    }
  }
  std::sort(over.begin(), over.end());
  over.resize(std::min<std::size_t>(over.size(), max_at_once));
  for (const auto& [end, token] : over) {
    visit.freed = visit.leave(token);
  }
  return visit;
}

std::int64_t PermitsModel::enter(Visit& visit, const std::string& token, std::int64_t weight,
                                 Millis life) {
  store_.fence_ = std::max(store_.fence_ + 1, std::int64_t{visit.now.count()});
  auto& value = visit.lock.value;
  if (!value) {
    value = Value{.kind = Value::Kind::permits, .text = {}};
  }
  value->capacity = *visit.capacity;
  value->used += weight;
  value->seal = visit.seal;
  value->holders[token] = (visit.now + life).count();
  StoreModel::keep_for(value->expires_at, visit.now, life + linger);
  visit.lock.seen.note(visit.now, token, store_.fence_, life + linger);
  return store_.fence_;
}

int PermitsModel::tell(const std::string& token, std::int64_t in_ms) {
  return store_.publish_(channel_of(token), "next " + token + ' ' + to_string(in_ms));
}

// --- the scripts --------------------------------------------------------------------------------

// The counter under which the caller holds, if it does.
std::optional<std::int64_t> PermitsModel::take(Visit& visit, const Acquire& request,
                                               Outcome& outcome) {
  auto& lock = visit.lock;
  const auto weight = terms_of(request.token)->weight;
  if (visit.holds(request.token)) {
    lock.queue.remove(request.token);
    lock.value->holders[request.token] = (visit.now + request.ttl).count();
    StoreModel::keep_for(lock.value->expires_at, visit.now, request.ttl + linger);
    const auto noted = lock.seen.times.find(request.token);
    if (noted == lock.seen.times.end()) {
      store_.fence_ = std::max(store_.fence_ + 1, std::int64_t{visit.now.count()});
    }
    const auto counter = noted == lock.seen.times.end() ? store_.fence_ : noted->second;
    lock.seen.note(visit.now, request.token, counter, request.ttl + linger);
    return counter;
  }
  if (!request.old.empty()) {
    if (!visit.holds(request.old)) {
      lock.seen.take(request.old);
      return std::nullopt;
    }
    const auto former = terms_of(request.old);
    if (weight > former->weight) {
      return std::nullopt;
    }
    lock.leave(request.token);
    lock.value->used -= former->weight;
    lock.value->holders.erase(request.old);
    lock.value->marked.erase(request.old);
    lock.seen.take(request.old);
    return enter(visit, request.token, weight, request.ttl);
  }
  visit.capacity = request.capacity;
  if (!lock.queue.empty() && !request.first) {
    outcome = hand_off(visit, request.token, request.wait);
  }
  if ((outcome != Outcome::empty && outcome != Outcome::yours) || !visit.fits(weight)) {
    return std::nullopt;
  }
  if (request.first) {
    lock.leave(request.token);
  }
  return enter(visit, request.token, weight, request.ttl);
}

std::string PermitsModel::acquire(Micros now, const Acquire& request) {
  const auto terms = terms_of(request.token);
  if (!terms || terms->weight < 1 || terms->weight > request.capacity) {
    return "-ERR";
  }
  Visit visit = look(now, request.key);
  if (!visit.usable) {
    return "-WRONGTYPE";
  }
  const bool swaps = !request.old.empty();
  const bool somebody_waits = !visit.lock.queue.empty();
  if (somebody_waits && visit.seal.empty()) {
    visit.seal = request.seal;
  }
  if (!visit.holds(request.token) && !swaps && visit.used() > 0 &&
      *visit.capacity != request.capacity) {
    visit.lock.leave(request.token);
    pass_on(visit);
    return echo_of(request.token) + " other " + to_string(*visit.capacity);
  }
  const bool swapped = swaps && visit.holds(request.old) && !visit.holds(request.token) &&
                       terms->weight <= terms_of(request.old)->weight;
  const std::string given_up = swaps ? swapped ? " released" : " not_held" : "";
  auto outcome = Outcome::empty;
  if (const auto counter = take(visit, request, outcome)) {
    if (somebody_waits) {
      hand_off(visit, {}, false);
    }
    return echo_of(request.token) + " acquired " + to_string(*counter) + given_up;
  }
  const auto left = outcome == Outcome::more ? 0 : visit.left_ms();
  if (swaps || !request.wait) {
    return echo_of(request.token) + " busy " + to_string(left) + given_up;
  }
  return enqueue(visit, request, left);
}

std::string PermitsModel::enqueue(Visit& visit, const Acquire& request, std::int64_t left) {
  auto& lock = visit.lock;
  const auto now = visit.now;
  const auto queued = lock.queue.score(request.token);
  const auto fresh = request.first ? -now.count() : now.count();
  const auto ticket = request.ticket.value_or(queued.value_or(fresh));
  if (!queued) {
    lock.queue.put(request.token, ticket);
  }
  lock.queue.expires_at = std::chrono::floor<Millis>(now) + queue_life;
  if (now.count() - std::abs(ticket) > waiter_refresh.count()) {
    lock.seen.note(now, request.token, now.count(), queue_life);
  }
  const auto place = static_cast<std::int64_t>(lock.queue.place(request.token));
  std::string reply = echo_of(request.token) + " queued ";
  for (const auto number : {left, place, ticket, std::int64_t{now.count()}}) {
    reply += to_string(number) + ' ';
  }
  if (lock.value && lock.value->seal.empty() && !request.seal.empty()) {
    lock.value->seal = visit.seal.empty() ? request.seal : visit.seal;
  }
  const bool sealed = lock.value && !lock.value->seal.empty();
  return reply + "ours" + (sealed ? ':' + lock.value->seal : "");
}

std::string PermitsModel::release(Micros now, const std::string& key, const std::string& token) {
  Visit visit = look(now, key);
  const bool held = visit.usable && visit.leave(token);
  if (!held) {
    visit.lock.queue.remove(token);
    visit.lock.seen.take(token);
  }
  const bool mute = visit.usable && pass_on(visit) == Outcome::mute;
  return echo_of(token) + (held ? " released" : " not_held") +
         (mute ? std::string{" mute "} + no_right : "");
}

std::string PermitsModel::renew(Micros now, std::string_view echo,
                                std::span<const Renewal> renewals) {
  std::string letters;
  for (const auto& renewal : renewals) {
    Visit visit = look(now, renewal.key);
    const bool held = visit.usable && visit.holds(renewal.token);
    if (held) {
      auto& value = *visit.lock.value;
      auto& end = value.holders[renewal.token];
      end = std::max(end, std::int64_t{(now + renewal.ttl).count()});
      StoreModel::keep_for(value.expires_at, now, renewal.ttl + linger);
      visit.lock.seen.note(now, renewal.token, renewal.counter, renewal.ttl + linger);
    }
    if (!held) {
      visit.lock.seen.take(renewal.token);
    }
    const bool to_break = held && visit.lock.value->marked.contains(renewal.token);
    letters += to_break ? 'b' : held ? 'k' : 'l';
    if (visit.usable && (visit.freed || !visit.capacity)) {
      pass_on(visit);
    }
  }
  return std::string{echo} + ' ' + letters;
}

std::string PermitsModel::write_fence(Micros now, const Renewal& lease, bool is_new) {
  Visit visit = look(now, lease.key);
  std::string reply = " lost";
  if (visit.usable && visit.holds(lease.token)) {
    auto& value = *visit.lock.value;
    auto& end = value.holders[lease.token];
    end = std::max(end, std::int64_t{(now + lease.ttl).count()});
    StoreModel::keep_for(value.expires_at, now, lease.ttl + linger);
    const auto found = visit.lock.seen.times.find(lease.token);
    const auto noted = found == visit.lock.seen.times.end() ? 0 : found->second;
    auto counter = lease.counter;
    const auto mine = value.written.find(lease.token);
    const bool is_repeat = mine != value.written.end() && mine->second == counter;
    const bool is_taken = counter <= value.greatest_written ||
                          std::any_of(value.written.begin(), value.written.end(),
                                      [&](const auto& entry) { return entry.second == counter; });
    if (is_new && !is_repeat && noted > counter) {
      counter = noted;
    } else if (is_new && !is_repeat && is_taken) {
      counter = store_.fence_ = std::max(store_.fence_ + 1, std::int64_t{now.count()});
    }
    if (counter == lease.counter) {
      store_.fence_ = std::max(store_.fence_, counter);
      value.greatest_written = std::max<std::int64_t>(value.greatest_written, 1);
      value.written[lease.token] = counter;
    }
    reply = counter == lease.counter ? " written" : " passed " + to_string(counter);
    visit.lock.seen.note(now, lease.token, counter, lease.ttl + linger);
  }
  if (visit.freed) {
    pass_on(visit);
  }
  return echo_of(lease.token) + reply;
}

std::string PermitsModel::break_(Micros now, const std::string& key, std::int64_t counter,
                                 std::string_view how) {
  Visit visit = look(now, key);
  if (!visit.usable) {
    return "-WRONGTYPE";
  }
  std::string token;
  for (const auto& [known, noted] : visit.lock.seen.times) {
    if (noted == counter && visit.holds(known)) {
      token = known;
    }
  }
  std::string reply = token.empty() ? "not_holder" : "holds";
  if (!token.empty() && how == "ask") {
    visit.lock.value->marked.insert(token);
    const int asked =
        store_.publish_(channel_of(token), "break " + token + ' ' + to_string(counter) + " 0");
    reply = "asked " + to_string(std::max(asked, 0));
  } else if (!token.empty() && how == "force") {
    visit.leave(token);
    reply = "broken";
  }
  if (visit.freed || reply == "broken") {
    pass_on(visit);
  }
  return reply;
}

std::string PermitsModel::resize(Micros now, const std::string& key, std::int64_t capacity) {
  if (capacity < 1 || capacity >= of_a_reader_writer_lock) {
    return "-ERR";
  }
  Visit visit = look(now, key);
  if (!visit.usable) {
    return "-WRONGTYPE";
  }
  if (visit.capacity == of_a_reader_writer_lock) {
    return "shared";
  }
  const auto former = visit.capacity;
  visit.capacity = capacity;
  if (visit.lock.value) {
    visit.lock.value->capacity = capacity;
  }
  hand_off(visit, {}, false);
  return former ? "resized " + to_string(*former) : "free";
}

std::string PermitsModel::run(Micros now, std::string_view script,
                              std::span<const std::string> keys,
                              std::span<const std::string> args) {
  if (script == "permits_acquire") {
    Acquire request{.key = keys[0],
                    .token = args[0],
                    .ttl = Millis{std::stoll(args[1])},
                    .capacity = std::stoll(args[5]),
                    .wait = args[2].starts_with("wait"),
                    .first = args[2].ends_with("_first"),
                    .old = args[4]};
    request.seal = args.size() > 6 ? args[6] : "";
    if (!args[3].empty()) {
      request.ticket = std::stoll(args[3]);
    }
    return acquire(now, request);
  }
  if (script == "permits_release") {
    return release(now, keys[0], args[0]);
  }
  if (script == "permits_renew") {
    std::vector<Renewal> renewals;
    for (std::size_t i = 1; i + 2 < args.size(); i += 3) {
      renewals.push_back(
          {keys[i], args[i], Millis{std::stoll(args[i + 1])}, std::stoll(args[i + 2])});
    }
    return renew(now, args[0], renewals);
  }
  if (script == "permits_write_fence") {
    return write_fence(now, {keys[0], args[0], Millis{std::stoll(args[1])}, std::stoll(args[2])},
                       args[3] == "new");
  }
  if (script == "permits_break") {
    return break_(now, keys[0], std::stoll(args[0]), args[1]);
  }
  if (script == "permits_resize") {
    return resize(now, keys[0], std::stoll(args[0]));
  }
  throw std::logic_error("no such script: " + std::string{script});
}

}  // namespace dlock::test
