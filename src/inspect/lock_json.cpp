// Locks as JSON.
#include "inspect/lock_json.hpp"

#include <chrono>
#include <optional>

#include "inspect/json.hpp"

namespace dlock::detail {

namespace {

JsonObject party_json(const Party& party) {
  JsonObject object;
  object.text("client", party.client).text("host", party.host).number("pid", party.pid);
  object.text("program", party.program).text("label", party.label);
  return object;
}

std::string parties_json(const std::vector<Party>& parties) {
  std::vector<std::string> objects;
  for (const auto& party : parties) objects.push_back(party_json(party).str());
  return json_array(objects);
}

// `time` is the name of the member with the time that each has waited.
std::string waiters_json(const std::vector<WaiterInfo>& waiters, std::string_view time) {
  std::vector<std::string> objects;
  for (const auto& waiter : waiters) {
    objects.push_back(party_json(waiter.party).number(time, waiter.waiting.count()).str());
  }
  return json_array(objects);
}

std::string kind_json(LockKind kind) {
  switch (kind) {
    case LockKind::mutex:
      return json_string("mutex");
    case LockKind::shared_mutex:
      return json_string("shared_mutex");
    case LockKind::semaphore:
      return json_string("semaphore");
    case LockKind::none:
      break;
  }
  return "null";
}

std::string millis_json(std::optional<std::chrono::milliseconds> span) {
  return span ? std::to_string(span->count()) : "null";
}

std::string holder_json(const HolderInfo& holder) {
  auto object = party_json(holder.party);
  const bool known = holder.fence != 0;
  object.raw("fence", known ? json_string(std::to_string(holder.fence)) : "null");
  object.text("token", holder.token).number("weight", holder.weight);
  object.raw("role", holder.role.empty() ? "null" : json_string(holder.role));
  object.raw("held_for_ms", known ? std::to_string(holder.since.count()) : "null");
  return object.raw("ttl_left_ms", millis_json(holder.ttl_left)).str();
}

}  // namespace

std::string ring_json(const std::vector<DeadlockLink>& ring) {
  std::vector<std::string> links;
  for (const auto& link : ring) {
    JsonObject object;
    object.bytes("name", link.name).raw("holder", party_json(link.holder).str());
    links.push_back(object.str());
  }
  return json_array(links);
}

std::string lock_json(const LockInfo& lock) {
  JsonObject object;
  object.bytes("name", lock.name).boolean("held", lock.held).boolean("foreign", lock.foreign);
  const bool ours = lock.held && !lock.foreign;
  object.raw("kind", kind_json(lock.kind));
  object.raw("fence", ours ? json_string(std::to_string(lock.fence)) : "null");
  object.raw("token", lock.held ? json_string(lock.token) : "null");
  object.raw("holder", ours ? party_json(lock.holder).str() : "null");
  object.raw("held_for_ms", ours ? std::to_string(lock.since.count()) : "null");
  object.raw("ttl_left_ms", millis_json(lock.ttl_left));
  object.number("permits", lock.permits).number("used", lock.used);
  std::vector<std::string> holders;
  for (const auto& holder : lock.holders) holders.push_back(holder_json(holder));
  object.raw("holders", json_array(holders));
  std::vector<std::string> waiters;
  for (const auto& waiter : lock.waiters) {
    auto one = party_json(waiter.party).number("waiting_ms", waiter.waiting.count());
    waiters.push_back(one.number("weight", waiter.weight).str());
  }
  return object.raw("waiters", json_array(waiters)).str();
}

std::string latch_json(const LatchInfo& latch) {
  JsonObject object;
  object.bytes("name", latch.name).number("count", latch.count).number("left", latch.left);
  object.boolean("broken", latch.broken).raw("joined", parties_json(latch.joined));
  return object.raw("waiters", waiters_json(latch.waiters, "waiting_ms")).str();
}

std::string barrier_json(const BarrierInfo& barrier) {
  JsonObject object;
  object.bytes("name", barrier.name).number("parties", barrier.parties);
  object.number("phase", barrier.phase).boolean("broken", barrier.broken);
  object.raw("joined", parties_json(barrier.joined));
  return object.raw("arrived", waiters_json(barrier.waiters, "silent_ms")).str();
}

}  // namespace dlock::detail
