// Locks as JSON.
#include "cli/lock_json.hpp"

#include <fmt/format.h>

#include "cli/json.hpp"

namespace dlock::cli {

namespace {

JsonObject party_json(const Party& party) {
  JsonObject object;
  object.text("client", party.client).text("host", party.host).number("pid", party.pid);
  object.text("program", party.program).text("label", party.label);
  return object;
}

}  // namespace

std::string lock_json(const LockInfo& lock) {
  JsonObject object;
  object.bytes("name", lock.name).boolean("held", lock.held).boolean("foreign", lock.foreign);
  const bool ours = lock.held && !lock.foreign;
  object.raw("fence", ours ? json_string(fmt::to_string(lock.fence)) : "null");
  object.raw("token", lock.held ? json_string(lock.token) : "null");
  object.raw("holder", ours ? party_json(lock.holder).str() : "null");
  object.raw("held_for_ms", ours ? fmt::to_string(lock.since.count()) : "null");
  object.raw("ttl_left_ms", lock.ttl_left ? fmt::to_string(lock.ttl_left->count()) : "null");
  std::vector<std::string> waiters;
  for (const auto& waiter : lock.waiters) {
    waiters.push_back(party_json(waiter.party).number("waiting_ms", waiter.waiting.count()).str());
  }
  return object.raw("waiters", json_array(waiters)).str();
}

}  // namespace dlock::cli
