// LockReader: looks at locks, over connections beside the client's shared ones.
#include "inspect/lock_reader.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/token.hpp"
#include "inspect/reply_fields.hpp"
#include "script/scripts.hpp"
#include "store/registration.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_batch = 100;  // so that no call takes the server long

// The kind of a lock without holders: a reader-writer lock has weights that no sensible semaphore
// has.
LockKind kind_of_waiter(std::optional<std::int64_t> weight) {
  if (!weight) return LockKind::mutex;
  return *weight >= core::upgrade_weight ? LockKind::shared_mutex : LockKind::semaphore;
}

void read_holder(LockInfo& lock, std::string_view value, std::int64_t now_us) {
  const auto ours = core::parse_value(value);
  lock.foreign = !ours;
  lock.token = ours ? ours->token : std::string{value};
  if (!ours) return;
  lock.holder.client = core::client_of(ours->token);
  if (!ours->fence) return;
  lock.fence = ours->fence->number();
  lock.since = span_from(ours->fence->counter, now_us);
}

std::string role_of(std::int64_t weight) {
  switch (weight) {
    case core::reader_weight:
      return "reader";
    case core::writer_weight:
      return "writer";
    case core::upgradeable_weight:
      return "upgradeable";
    case core::upgrade_weight:
      return "upgrade";
    default:
      return {};
  }
}

// The capacity, then token, end and counter of each holder.
void read_permits(LockInfo& lock, std::span<const redis::Reply> parts, std::int64_t now_us) {
  lock.permits = integer(parts[0].text);
  const bool shared = lock.permits == core::shared_capacity;
  lock.kind = shared ? LockKind::shared_mutex : LockKind::semaphore;
  for (auto holders = parts.subspan(1); holders.size() >= 3; holders = holders.subspan(3)) {
    HolderInfo holder;
    holder.token = holders[0].text;
    if (!is_token(holder.token)) continue;
    const auto counter = integer(holders[2].text);
    holder.party.client = core::client_of(holder.token);
    holder.fence = core::Fence{counter, 0}.number();
    holder.weight = core::weight_of(holder.token).value_or(1);
    holder.role = shared ? role_of(holder.weight) : std::string{};
    holder.since = counter == 0 ? milliseconds{} : span_from(counter, now_us);
    holder.ttl_left = span_from(now_us, integer(holders[1].text));
    lock.used += holder.weight;
    lock.holders.push_back(std::move(holder));
  }
  std::ranges::sort(lock.holders, {}, [](const HolderInfo& holder) {
    return std::pair{holder.fence, std::string_view{holder.token}};
  });
}

void read_mutex(LockInfo& lock, const std::string& value, std::int64_t ttl_ms,
                std::int64_t now_us) {
  lock.kind = LockKind::mutex;
  lock.permits = lock.used = 1;
  read_holder(lock, value, now_us);
  if (ttl_ms >= 0) lock.ttl_left = milliseconds{ttl_ms};
  HolderInfo holder;
  holder.party = lock.holder;
  holder.token = lock.token;
  holder.fence = lock.fence;
  holder.since = lock.since;
  holder.ttl_left = lock.ttl_left;
  lock.holders.push_back(std::move(holder));
}

// The reply of inspect.lua for one lock, behind its problem.
LockInfo read_lock(std::span<const redis::Reply> parts, std::int64_t now_us) {
  LockInfo lock;
  const auto ttl_ms = integer(parts[1].text);
  if (!parts[0].elements.empty()) {
    read_permits(lock, parts[0].elements, now_us);
  } else if (ttl_ms != -2) {
    read_mutex(lock, parts[0].text, ttl_ms, now_us);
  }
  show_first(lock);
  for (auto waiters = parts.subspan(2); waiters.size() >= 2; waiters = waiters.subspan(2)) {
    if (!is_token(waiters[0].text)) continue;
    WaiterInfo waiter;
    waiter.party.client = core::client_of(waiters[0].text);
    waiter.waiting = span_from(std::abs(integer(waiters[1].text)), now_us);
    const auto weight = core::weight_of(waiters[0].text);
    waiter.weight = weight.value_or(1);
    if (lock.kind == LockKind::none) lock.kind = kind_of_waiter(weight);
    lock.waiters.push_back(std::move(waiter));
  }
  return lock;
}

}  // namespace

void show_first(LockInfo& lock) {
  lock.held = !lock.holders.empty();
  if (lock.kind == LockKind::mutex) return;
  const auto& first = lock.held ? lock.holders.front() : HolderInfo{};
  lock.holder = first.party;
  lock.token = first.token;
  lock.fence = first.fence;
  lock.since = first.since;
  lock.ttl_left = first.ttl_left;
}

std::map<std::string, LockInfo> LockReader::look(std::span<const std::string> keys, Wanted wanted) {
  const std::array<std::string_view, 1> mode{wanted == Wanted::ours ? "ours" : "all"};
  std::map<std::string, LockInfo> locks;
  while (!keys.empty()) {
    auto count = std::min(keys.size(), max_batch);
    while (!config().are_together(keys.first(count))) --count;
    look_at_some(keys.first(count), wanted, mode, locks);
    keys = keys.subspan(count);
  }
  return locks;
}

std::optional<LockInfo> LockReader::holders_of(const std::string& key, std::int64_t turn) {
  const std::array keys{key};
  const auto number = std::to_string(turn);
  const std::array<std::string_view, 2> mode{"some", number};
  std::map<std::string, LockInfo> locks;
  look_at_some(keys, Wanted::used, mode, locks);
  if (locks.empty()) return std::nullopt;
  return std::move(locks.begin()->second);
}

void LockReader::look_at_some(std::span<const std::string> keys, Wanted wanted,
                              std::span<const std::string_view> mode,
                              std::map<std::string, LockInfo>& locks) {
  std::vector<std::string> all_keys;
  for (const auto& key : keys) {
    auto names = core::lock_keys(key);
    all_keys.insert(all_keys.end(),
                    {std::move(names.lock), std::move(names.queue), std::move(names.seen)});
  }
  const auto reply = run(script::inspect, all_keys, mode);
  const auto now_us = integer(element(reply, 0).text);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& parts = element(reply, i + 1).elements;
    if (parts.size() < 3) continue;  // skipped
    const auto& problem = parts[0].text;
    if (!problem.empty()) {
      if (wanted == Wanted::used && redis::classify(problem).code == errc::not_a_lock) continue;
      fail(problem, keys[i]);
    }
    auto lock = read_lock(std::span{parts}.subspan(1), now_us);
    if (wanted == Wanted::used && !lock.held && lock.waiters.empty()) continue;
    if (wanted == Wanted::ours && lock.foreign) continue;
    locks.insert_or_assign(keys[i], std::move(lock));
  }
}

void LockReader::name_parties(std::map<std::string, LockInfo>& locks) {
  std::vector<Party*> parties;
  for (auto& [key, lock] : locks) {
    parties.push_back(&lock.holder);
    for (auto& holder : lock.holders) parties.push_back(&holder.party);
    for (auto& waiter : lock.waiters) parties.push_back(&waiter.party);
  }
  name_parties(parties);
}

void LockReader::name_parties(std::span<Party* const> parties) {
  std::map<std::string, std::vector<Party*>> by_client;
  for (auto* const party : parties) {
    if (!party->client.empty()) by_client[party->client].push_back(party);
  }
  for (const auto& [client, same] : by_client) {
    const auto registered = parse_registration(text_at(core::registration_key(client)));
    if (!registered) continue;
    for (auto* const party : same) {
      *party = *registered;
      party->client = client;
    }
  }
}

}  // namespace dlock::detail
