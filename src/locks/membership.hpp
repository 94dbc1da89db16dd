// Membership: a party of a latch or barrier renews a permit, which shows that it is alive.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/wire/gate.hpp"
#include "dlock/lease.hpp"
#include "locks/lock_spec.hpp"

namespace dlock::detail {

/// Takes one of `parties` parts of `gate`. `wants` is common to all requests to it. Throws
/// `UsageError` if all are taken.
[[nodiscard]] Lease join(const LockSpec& gate, core::Gate wants, std::int64_t parties,
                         std::chrono::milliseconds ttl);
/// The token of a part. Throws `UsageError` if it is not a part of `gate`, and `LockLost` if it is
/// over.
[[nodiscard]] const core::Token& token_of_part(const LockSpec& gate, core::Kind kind,
                                               const Lease& part);

}  // namespace dlock::detail
