// Joining latches and barriers.
#include "locks/membership.hpp"

#include <utility>

#include "core/wire/keys.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"

namespace dlock::detail {
namespace {

std::string key_of_parts(const LockSpec& gate, core::Kind kind) {
  return core::parts_key(core::gate_key(kind, gate.key));
}

}  // namespace

Lease join(const LockSpec& gate, core::Gate wants, std::int64_t parties,
           std::chrono::milliseconds ttl) {
  const auto kind = wants.kind;
  auto record = gate.client->acquire({key_of_parts(gate, kind), {.ttl = ttl}, gate.group},
                                     std::chrono::milliseconds::zero(), {},
                                     core::Permits{.weight = 1, .capacity = parties});
  if (!record) {
    throw_error(errc::usage, "all " + std::to_string(parties) + " parts of \"" + gate.name +
                                 "\" have joined already: more clients join than it has parts");
  }
  auto part = gate.lease_of(std::move(record));
  wants.call = "join";
  wants.arguments.push_back(part.token());
  static_cast<void>(gate.client->at_gate(gate.key, std::move(wants)));
  return part;
}

const core::Token& token_of_part(const LockSpec& gate, core::Kind kind, const Lease& part) {
  if (!part || !LeaseState::is_of(part, *gate.client, key_of_parts(gate, kind), {.weight = 1})) {
    throw_error(errc::usage, "this lease is not a part of \"" + gate.name +
                                 "\": pass the lease that join() returned");
  }
  part.ensure_held();
  return LeaseState::of(part)->record->token;
}

}  // namespace dlock::detail
