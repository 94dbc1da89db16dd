// Passing: one thread of a client passes a lease to the next, without the network.
#pragma once

#include <memory>

#include "core/engine/actions.hpp"
#include "core/engine/hold.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// How long the threads of a client pass one lease on, and how soon the server must learn of it.
inline constexpr Duration max_passing = std::chrono::milliseconds{100};

/// Whether `lease`, which this client has had since `since`, may go to `next`. The number and the
/// time are limited, so that other clients get their turn.
[[nodiscard]] inline bool may_pass(Instant now, const LeaseRecord& lease, bool renews,
                                   Instant since, const AcquireRequest& next) {
  return renews && next.renew && next.ttl == lease.ttl &&
         lease.fence.sequence + 1 < Fence::max_sequences && now - since < max_passing;
}

/// The record for the next holder of `former`: the same lease with a greater fence.
[[nodiscard]] inline std::shared_ptr<LeaseRecord> pass_on(Instant now, const LeaseRecord& former,
                                                          LeaseId id, const AcquireRequest& next) {
  auto record = std::make_shared<LeaseRecord>();
  record->id = id;
  record->key = former.key;
  record->kind = former.kind;
  record->group = next.group;
  record->what = former.what;
  record->since = now;
  record->token = former.token;
  record->ttl = former.ttl;
  record->fence = {former.fence.counter, former.fence.sequence + 1};
  return record;
}

}  // namespace dlock::core
