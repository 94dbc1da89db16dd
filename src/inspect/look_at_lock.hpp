// Looks at one lock of a session, for errors and reports.
#pragma once

#include <stop_token>
#include <string_view>

#include "dlock/inspect.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// As `inspect_lock`, in one round trip for the lock and one for each party: it asks no holder to
/// record its fence, so that the fence and the time since the acquisition may be 0 in the first
/// second. `stop` ends it with `Cancelled`.
[[nodiscard]] LockInfo look_at_lock(Session& state, std::string_view name, std::stop_token stop);

/// As `inspect_lock`.
[[nodiscard]] LockInfo inspect_lock(Session& state, std::string_view name);

}  // namespace dlock::detail
