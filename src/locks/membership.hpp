// Membership: what shows that a party of a latch or barrier is still there: a permit that it
// renews.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/wire/gate.hpp"
#include "dlock/lease.hpp"
#include "locks/lock_spec.hpp"

namespace dlock::detail {

/// Takes one of `parties` parts of `gate`. `wants`: what all requests to it say. Throws
/// `UsageError` if all are taken.
[[nodiscard]] Lease join(const LockSpec& gate, core::Gate wants, std::int64_t parties,
                         std::chrono::milliseconds ttl);
/// Its token. Throws `UsageError` if it is not one of `gate`, of that kind, and `LockLost` if it is
/// over.
[[nodiscard]] const core::Token& token_of_part(const LockSpec& gate, core::Kind kind,
                                               const Lease& part);

}  // namespace dlock::detail
