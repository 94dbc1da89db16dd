// Snapshots as programs read them.
#pragma once

#include <string>
#include <vector>

#include "cli/survey/listing.hpp"
#include "cli/survey/snapshot.hpp"

namespace dlock::cli {

/// Returns one JSON object: `totals`, `locks` in the order of `rows`, and `deadlocks`.
[[nodiscard]] std::string snapshot_json(const Snapshot& snapshot, const std::vector<Row>& rows,
                                        runtime::BootTime now);

}  // namespace dlock::cli
