// Sentinel: who knows which server is the primary now.
#pragma once

#include "redis/connection.hpp"
#include "redis/dial.hpp"

namespace dlock::redis {

/// Asks the Sentinels of `settings.endpoint`, one after the other, until one knows. Throws
/// `Unreachable` when none does in time, or what the last said against us.
[[nodiscard]] Endpoint::Address find_primary(const Connection::Settings& settings,
                                             Deadline deadline);

}  // namespace dlock::redis
