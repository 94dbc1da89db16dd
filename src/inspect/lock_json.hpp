// Locks as programs read them.
#pragma once

#include <string>
#include <vector>

#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"

namespace dlock::detail {

/// One JSON object. Fences are strings, since they outgrow what JSON numbers hold in many
/// languages.
[[nodiscard]] std::string lock_json(const LockInfo& lock);
/// One JSON object.
[[nodiscard]] std::string latch_json(const LatchInfo& latch);
[[nodiscard]] std::string barrier_json(const BarrierInfo& barrier);
/// A JSON array of the locks in a ring and their holders.
[[nodiscard]] std::string ring_json(const std::vector<DeadlockLink>& ring);

}  // namespace dlock::detail
