// A reference model of the lock store: what it keeps, what else happens to it, what is seen of it.
#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include "support/permits_model.hpp"
#include "support/store_model.hpp"

namespace dlock::test {

namespace {

using std::to_string;

Millis in_millis(Micros now) { return std::chrono::floor<Millis>(now); }

bool is_over(const std::optional<Millis>& expires_at, Micros now) {
  return expires_at && in_millis(now) > *expires_at;
}

}  // namespace

std::optional<std::int64_t> StoreModel::Seen::take(const std::string& token) {
  const auto found = times.find(token);
  if (found == times.end()) {
    return std::nullopt;
  }
  const auto time = found->second;
  times.erase(found);
  if (times.empty()) {
    expires_at.reset();
  }
  return time;
}

// PEXPIRE NX and GT: never to an earlier time.
void StoreModel::keep_for(std::optional<Millis>& expires_at, Micros now, Millis life) {
  const auto end = in_millis(now) + life;
  expires_at = std::max(expires_at.value_or(end), end);
}

void StoreModel::Seen::note(Micros now, const std::string& token, std::int64_t time, Millis life) {
  times[token] = time;
  keep_for(expires_at, now, life);
}

bool StoreModel::Lock::held_by(std::string_view token) const {
  return value && value->kind == Value::Kind::ours && value->text == token;
}

void StoreModel::Lock::leave(const std::string& token) {
  if (queue.remove(token)) {
    seen.take(token);
  }
}

std::int64_t StoreModel::pttl(const std::optional<Millis>& expires_at, Micros now) {
  return expires_at ? (*expires_at - in_millis(now)).count() : -1;
}

StoreModel::Lock& StoreModel::at(Micros now, const std::string& key) {
  Lock& lock = locks_[key];
  if (lock.value && is_over(lock.value->expires_at, now)) {
    lock.value.reset();
  }
  if (is_over(lock.queue.expires_at, now)) {
    lock.queue = {};
  }
  if (is_over(lock.seen.expires_at, now)) {
    lock.seen = {};
  }
  return lock;
}

std::string StoreModel::run(Micros now, std::string_view script, std::span<const std::string> keys,
                            std::span<const std::string> args) {
  if (script == "acquire") {
    return acquire(
        now, {.key = keys[0],
              .token = args[0],
              .ttl = Millis{std::stoll(args[1])},
              .wait = args[2] == "wait",
              .keep = args[2] == "keep",
              .ticket =
                  args[3].empty() ? std::nullopt : std::optional{std::int64_t{std::stoll(args[3])}},
              .old = args[4],
              .recent = args.size() > 5 && !args[5].empty()
                            ? std::optional{std::int64_t{std::stoll(args[5])}}
                            : std::nullopt,
              .seal = args.size() > 6 ? args[6] : ""});
  }
  if (script == "acquire_all") {
    std::vector<Acquire> requests;
    for (std::size_t i = 1; i < args.size(); ++i) {
      requests.push_back(
          {.key = keys[3 * i - 2], .token = args[i], .ttl = Millis{std::stoll(args[0])}});
    }
    return acquire_all(now, requests);
  }
  if (script == "release") {
    return release(now, keys[0], args[0],
                   args.size() > 1 ? std::optional{Millis{std::stoll(args[1])}} : std::nullopt);
  }
  if (script == "renew") {
    std::vector<Renewal> renewals;
    for (std::size_t i = 1; i < keys.size(); i += 3) {
      const auto* words = &args[1 + (i - 1) / 3 * 4];
      renewals.push_back({keys[i], words[0], Millis{std::stoll(words[1])}, std::stoi(words[2]),
                          std::stoll(words[3])});
    }
    return renew(now, args[0], renewals);
  }
  if (script == "acquire_bare") {
    return acquire_bare(now, keys[0], args[0], Millis{std::stoll(args[1])});
  }
  if (script == "release_bare") {
    return release_bare(now, keys[0], args[0]);
  }
  if (script == "write_fence") {
    return write_fence(now, keys[0], args[0], Millis{std::stoll(args[1])}, std::stoll(args[2]));
  }
  if (script == "break") {
    return break_(now, keys[0], std::stoll(args[0]), std::stoi(args[1]), args[2] == "ask");
  }
  if (script.starts_with("permits_")) {
    return PermitsModel{*this}.run(now, script, keys, args);
  }
  throw std::logic_error("no such script: " + std::string{script});
}

bool StoreModel::foreign_set_nx(Micros now, const std::string& key, const std::string& value,
                                std::optional<Millis> ttl) {
  Lock& lock = at(now, key);
  if (lock.value) {
    return false;
  }
  lock.value = Value{.kind = Value::Kind::foreign, .text = value};
  if (ttl) {
    lock.value->expires_at = in_millis(now) + *ttl;
  }
  return true;
}

void StoreModel::foreign_wrong_type(const std::string& key) {
  locks_[key].value = Value{.kind = Value::Kind::wrong_type, .text = {}};
}

void StoreModel::drop_wrong_types() {
  for (auto& [key, lock] : locks_) {
    if (lock.value && lock.value->kind == Value::Kind::wrong_type) {
      lock.value.reset();
    }
  }
}

bool StoreModel::foreign_del(Micros now, const std::string& key) {
  return std::exchange(at(now, key).value, std::nullopt).has_value();
}

void StoreModel::drop_queue(const std::string& key) { locks_[key].queue = {}; }

void StoreModel::drop_seen(const std::string& key) { locks_[key].seen = {}; }

void StoreModel::flush() {
  locks_.clear();
  fence_ = 0;
}

std::string StoreModel::show(const Value& value) {
  if (value.kind == Value::Kind::wrong_type) {
    return "(wrong type)";
  }
  if (value.kind == Value::Kind::ours && value.form != Value::Form::recorded) {
    const bool is_bare = value.form == Value::Form::bare;
    return value.text + (value.seal.empty() ? "" : ':' + value.seal) + (is_bare ? "" : ":");
  }
  if (value.kind == Value::Kind::ours) {
    return value.text + (value.seal.empty() ? "" : ':' + value.seal) +
           (value.to_break ? ":break" : "") + ':' + to_string(value.counter) + ':' +
           to_string(value.sequence);
  }
  if (value.kind == Value::Kind::foreign) {
    return value.text;
  }
  std::set<std::pair<std::int64_t, std::string>> members{{-value.capacity, "=capacity"},
                                                         {-value.used, "=used"}};
  if (value.greatest_written != 0) {
    members.emplace(-value.greatest_written, "=written");
  }
  if (const auto dot = value.seal.find('.'); dot != std::string::npos) {
    members.emplace(-std::stoll(value.seal), "=seal1");
    members.emplace(-std::stoll(value.seal.substr(dot + 1)), "=seal2");
  }
  for (const auto& token : value.marked) {
    members.emplace(-1, "=!" + token);
  }
  for (const auto& [token, counter] : value.written) {
    members.emplace(-counter, "=" + token);
  }
  for (const auto& [token, end] : value.holders) {
    members.emplace(end, token);
  }
  std::string text = "permits";
  for (const auto& [score, member] : members) {
    text += ' ' + member + '@' + to_string(score);
  }
  return text;
}

LockState StoreModel::state(Micros now, const std::string& key) {
  const Lock& lock = at(now, key);
  LockState state;
  if (lock.value) {
    const Value& value = *lock.value;
    state.value = show(value);
    state.pttl = pttl(value.expires_at, now);
  }
  if (!lock.queue.empty()) {
    state.queue = lock.queue.entries();
    state.queue_pttl = pttl(lock.queue.expires_at, now);
  }
  if (!lock.seen.times.empty()) {
    state.seen = lock.seen.times;
    state.seen_pttl = pttl(lock.seen.expires_at, now);
  }
  return state;
}

std::vector<std::string> StoreModel::remains(Micros now) {
  std::erase_if(locks_, [&](auto& entry) {
    const Lock& lock = at(now, entry.first);
    return !lock.value && lock.queue.empty() && lock.seen.times.empty();
  });
  std::vector<std::string> keys;
  for (const auto& entry : locks_) {
    keys.push_back(entry.first);
  }
  return keys;
}

}  // namespace dlock::test
