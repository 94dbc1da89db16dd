// Cluster: which server has which slot.
#pragma once

#include <cstdint>
#include <vector>

#include "redis/connection.hpp"
#include "redis/dial.hpp"

namespace dlock::redis {

/// Slots in a row, and the primary that has them.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  Endpoint::Address primary;
};

/// Asks the `known` nodes and then those of `settings.endpoint`, one after the other, until one
/// answers. Throws `Unreachable` if none does in time, or the error that the last one answered.
[[nodiscard]] std::vector<SlotRange> fetch_slots(const Connection::Settings& settings,
                                                 const std::vector<Endpoint::Address>& known,
                                                 Deadline deadline);

/// The primary that has `settings.slot` now. Throws the same, and `StoreUnusable` if no node has
/// it.
[[nodiscard]] Endpoint::Address find_primary(const Connection::Settings& settings,
                                             Deadline deadline);

}  // namespace dlock::redis
