// Inspection of latches and barriers: the rest of the count, the parties that joined, the waiters.
#include <array>
#include <utility>

#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/inspect.hpp"
#include "inspect/lock_reader.hpp"
#include "inspect/reply_fields.hpp"
#include "script/scripts.hpp"
#include "session/session.hpp"

namespace dlock {
namespace {

using core::Kind;
using detail::LockReader;

// The common state of latches and barriers.
struct GateInfo {
  std::int64_t number = 0;  // its count or parties
  std::int64_t state = 0;   // what is left, or its phase
  bool broken = false;
  std::vector<Party> joined;
  std::vector<WaiterInfo> waiters;
};

void name_parties(LockReader& reader, GateInfo& gate) {
  std::vector<Party*> parties;
  for (auto& party : gate.joined) parties.push_back(&party);
  for (auto& waiter : gate.waiters) parties.push_back(&waiter.party);
  reader.name_parties(parties);
}

Party party_of(std::string_view token) {
  Party party;
  if (detail::is_token(token)) party.client = core::client_of(token);
  return party;
}

// The reply of inspect_gate.lua.
GateInfo read_gate(std::span<const redis::Reply> parts) {
  GateInfo gate{
      detail::integer(parts[1].text), detail::integer(parts[2].text), parts[3].text == "1", {}, {}};
  const auto now_us = detail::integer(parts[0].text);
  for (const auto& token : parts[4].elements) gate.joined.push_back(party_of(token.text));
  for (auto waiters = parts.subspan(5); waiters.size() >= 2; waiters = waiters.subspan(2)) {
    gate.waiters.push_back(
        {.party = party_of(waiters[0].text),
         .waiting = detail::span_from(detail::integer(waiters[1].text), now_us)});
  }
  return gate;
}

std::optional<GateInfo> look(Client& client, Kind kind, std::string_view name) {
  auto& state = *client.state();
  const auto key = core::gate_key(kind, state.config().key_of(name));
  const auto names = core::lock_keys(key);
  const std::array keys{names.lock, names.queue, names.seen, core::parts_key(key)};
  LockReader reader{state.config()};
  const auto reply = reader.run(script::inspect_gate, keys, {});
  if (reply.elements.size() < 5) return std::nullopt;
  auto gate = read_gate(reply.elements);
  name_parties(reader, gate);
  return gate;
}

}  // namespace

std::optional<LatchInfo> inspect_latch(Client& client, std::string_view name) {
  auto gate = look(client, Kind::latch, name);
  if (!gate) return std::nullopt;
  return LatchInfo{
      std::string{name},       gate->number, gate->state, gate->broken, std::move(gate->joined),
      std::move(gate->waiters)};
}

std::optional<BarrierInfo> inspect_barrier(Client& client, std::string_view name) {
  auto gate = look(client, Kind::barrier, name);
  if (!gate) return std::nullopt;
  return BarrierInfo{
      std::string{name},       gate->number, gate->state, gate->broken, std::move(gate->joined),
      std::move(gate->waiters)};
}

}  // namespace dlock
