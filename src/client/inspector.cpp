// Inspector: a connection beside the client's shared one, that looks at locks.
#include "client/inspector.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "client/registration.hpp"
#include "core/keys.hpp"
#include "core/token.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t most_at_once = 100;  // so that no call takes the server long

// A name of its own: the shared connection's is what that one's successor kills by.
redis::Connection::Settings settings_of(const ClientState& client) {
  client.check_process();
  auto settings = client.connection_settings();
  settings.client_name += ":inspect";
  return settings;
}

std::int64_t integer(std::string_view text) {
  std::int64_t number = 0;
  return core::parse_number(text, number) ? number : 0;
}

// From a time of the server's clock in microseconds to `now`. Never negative: the clock of a
// counter may be ahead.
milliseconds span_from(std::int64_t begin_us, std::int64_t now_us) {
  const auto span = microseconds{std::max<std::int64_t>(0, now_us - begin_us)};
  return std::chrono::duration_cast<milliseconds>(span);
}

bool is_token(std::string_view text) {
  return text.starts_with(core::token_prefix) && text.size() > core::token_claim_at;
}

void read_holder(LockInfo& lock, std::string_view value, std::int64_t now_us) {
  const auto ours = core::parse_value(value);
  lock.foreign = !ours;
  lock.token = ours ? ours->token : std::string{value};
  if (!ours) return;
  lock.fence = ours->fence.number();
  lock.holder.client = core::client_of(ours->token);
  lock.since = span_from(ours->fence.counter, now_us);
}

// What inspect.lua says of one lock, behind its problem.
LockInfo read_lock(std::span<const redis::Reply> parts, std::int64_t now_us) {
  LockInfo lock;
  const auto ttl_ms = integer(parts[1].text);
  lock.held = ttl_ms != -2;
  if (ttl_ms >= 0) lock.ttl_left = milliseconds{ttl_ms};
  if (lock.held) read_holder(lock, parts[0].text, now_us);
  for (auto waiters = parts.subspan(2); waiters.size() >= 2; waiters = waiters.subspan(2)) {
    if (!is_token(waiters[0].text)) continue;
    WaiterInfo waiter;
    waiter.party.client = core::client_of(waiters[0].text);
    waiter.waiting = span_from(integer(waiters[1].text), now_us);
    lock.waiters.push_back(std::move(waiter));
  }
  return lock;
}

}  // namespace

Inspector::Inspector(ClientState& client)
    : client_(client),
      timeout_(client.options().request_timeout),
      connection_(redis::Connection::open(settings_of(client))) {}

void Inspector::fail(std::string_view error_reply) const {
  const auto error = redis::classify(error_reply);
  throw_error(error.code, client_.url() + ": " + error.what);
}

const redis::Reply& Inspector::element(const redis::Reply& reply, std::size_t index) {
  static const redis::Reply none;
  return index < reply.elements.size() ? reply.elements[index] : none;
}

redis::Reply Inspector::call(std::span<const std::string_view> fields) {
  auto reply = connection_->call(fields, timeout_);
  if (reply.kind == redis::ReplyView::Kind::error) fail(reply.text);
  return reply;
}

redis::Reply Inspector::run(std::string_view script, std::string_view sha,
                            std::span<const std::string> keys,
                            std::span<const std::string_view> arguments) {
  const auto key_count = std::to_string(keys.size());
  std::vector<std::string_view> fields{"EVALSHA", sha, key_count};
  fields.insert(fields.end(), keys.begin(), keys.end());
  fields.insert(fields.end(), arguments.begin(), arguments.end());
  auto reply = connection_->call(fields, timeout_);
  if (reply.kind != redis::ReplyView::Kind::error) return reply;
  if (!reply.text.starts_with("NOSCRIPT")) fail(reply.text);
  fields[0] = "EVAL";
  fields[1] = script;
  return call(fields);
}

std::map<std::string, LockInfo> Inspector::look(std::span<const std::string> keys, Wanted wanted) {
  std::map<std::string, LockInfo> locks;
  while (!keys.empty()) {
    const auto some = keys.first(std::min(keys.size(), most_at_once));
    look_at_some(some, wanted, locks);
    keys = keys.subspan(some.size());
  }
  return locks;
}

void Inspector::look_at_some(std::span<const std::string> keys, Wanted wanted,
                             std::map<std::string, LockInfo>& locks) {
  std::vector<std::string> all_keys;
  for (const auto& key : keys) {
    auto names = core::lock_keys(key);
    all_keys.insert(all_keys.end(),
                    {std::move(names.lock), std::move(names.queue), std::move(names.seen)});
  }
  const std::array<std::string_view, 1> mode{wanted == Wanted::ours ? "ours" : "all"};
  const auto reply = run(script::inspect, script::inspect_sha, all_keys, mode);
  const auto now_us = integer(element(reply, 0).text);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& parts = element(reply, i + 1).elements;
    if (parts.size() < 3) continue;  // passed over
    const auto& problem = parts[0].text;
    if (!problem.empty()) {
      if (wanted == Wanted::used && redis::classify(problem).code == errc::not_a_lock) continue;
      fail(problem);
    }
    auto lock = read_lock(std::span{parts}.subspan(1), now_us);
    if (wanted == Wanted::used && !lock.held && lock.waiters.empty()) continue;
    if (wanted == Wanted::ours && lock.foreign) continue;
    locks.insert_or_assign(keys[i], std::move(lock));
  }
}

void Inspector::name_parties(std::map<std::string, LockInfo>& locks) {
  std::map<std::string, std::vector<Party*>> by_client;
  const auto note = [&](Party& party) {
    if (!party.client.empty()) by_client[party.client].push_back(&party);
  };
  for (auto& [key, lock] : locks) {
    note(lock.holder);
    for (auto& waiter : lock.waiters) note(waiter.party);
  }
  for (const auto& [client, parties] : by_client) {
    const auto reply = call({"GET", core::registration_key(client)});
    const auto registered = parse_registration(reply.text);
    if (!registered) continue;
    for (auto* const party : parties) {
      *party = *registered;
      party->client = client;
    }
  }
}

}  // namespace dlock::detail
