// The Barrier handle.
#include "dlock/barrier.hpp"

#include <algorithm>
#include <utility>

#include "core/wire/gate.hpp"
#include "core/wire/permits.hpp"
#include "dlock/error.hpp"
#include "locks/lock_spec.hpp"
#include "locks/membership.hpp"

namespace dlock {

using core::Kind;
using std::chrono::milliseconds;

namespace {

std::int64_t checked_parties(std::int64_t parties) {
  if (parties < 1 || parties > core::max_permits) {
    throw_error(errc::usage, "a barrier has from 1 to " + std::to_string(core::max_permits) +
                                 " parties, not " + std::to_string(parties));
  }
  return parties;
}

}  // namespace

Barrier::Barrier(Client& client, std::string_view name, std::int64_t parties,
                 BarrierOptions options)
    : gate_(std::make_shared<detail::LockSpec>(client, name, LockOptions{.ttl = options.ttl})),
      parties_(checked_parties(parties)),
      options_(options) {}

Barrier::~Barrier() { detail::destroy(gate_); }

void Barrier::arrive_and_wait(std::stop_token stop) { wait_in(std::nullopt, std::move(stop)); }

Lease Barrier::join() {
  return detail::join(*gate_, {Kind::barrier, {}, {std::to_string(parties_)}}, parties_,
                      options_.ttl);
}

void Barrier::leave(Lease part) {
  static_cast<void>(gate_->client->at_gate(
      gate_->key,
      {Kind::barrier,
       "leave",
       {std::to_string(parties_), detail::token_of_part(*gate_, Kind::barrier, part).text()}}));
}

void Barrier::reset() {
  static_cast<void>(
      gate_->client->at_gate(gate_->key, {Kind::barrier, "reset", {std::to_string(parties_)}}));
}

bool Barrier::wait_in(std::optional<milliseconds> span, std::stop_token stop) {
  // There is no way to arrive without waiting.
  const auto limit = span ? std::optional{std::max(*span, milliseconds{1})} : std::nullopt;
  core::Gate gate{Kind::barrier, {}, {std::to_string(parties_)}};
  return gate_->client->at_gate(gate_->key, std::move(gate), limit, stop) != nullptr;
}

const std::string& Barrier::name() const noexcept { return gate_->name; }

}  // namespace dlock
