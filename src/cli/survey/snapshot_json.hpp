// Snapshots as programs read them.
#pragma once

#include <string>
#include <vector>

#include "cli/survey/listing.hpp"
#include "cli/survey/snapshot.hpp"

namespace dlock::cli {

/// Returns what `dlock info --json` prints, and longest_wait_ms, handoffs_per_s and election, of a
/// lock of `snapshot`.
[[nodiscard]] std::string seen_lock_json(const Snapshot& snapshot, const SeenLock& lock,
                                         runtime::BootTime now);

/// Returns one JSON object: `totals`, `locks` in the order of `rows`, `deadlocks`, `waits` and
/// `problem`.
[[nodiscard]] std::string snapshot_json(const Snapshot& snapshot, const std::vector<Row>& rows,
                                        runtime::BootTime now);

}  // namespace dlock::cli
