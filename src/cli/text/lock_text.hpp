// Locks as people read them.
#pragma once

#include <string>
#include <vector>

#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"

namespace dlock::cli {

/// Returns `host:pid program (label)`, or says that the client has ended or is unknown.
[[nodiscard]] std::string describe(const Party& party);

/// Returns the holder, how many there are, or `nobody`.
[[nodiscard]] std::string holder_of(const LockInfo& lock);

/// Returns the text after "held": `by web1:4711 dlock (backup.sh) for 3.2 s`.
[[nodiscard]] std::string held_by(const LockInfo& lock);

/// Describes one lock on several lines.
[[nodiscard]] std::string lock_details(const LockInfo& lock);

/// Describe one latch or barrier on several lines.
[[nodiscard]] std::string latch_details(const LatchInfo& latch);
[[nodiscard]] std::string barrier_details(const BarrierInfo& barrier);

/// Describes a ring of waits, with one line for each lock.
[[nodiscard]] std::string ring_text(const std::vector<DeadlockLink>& ring);

/// Returns one line for each lock, under a line of headings, which `colour` makes bold.
[[nodiscard]] std::string lock_table(const std::vector<LockInfo>& locks, bool colour);

}  // namespace dlock::cli
