// Locks as people read them.
#pragma once

#include <string>
#include <vector>

#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"

namespace dlock::cli {

/// `host:pid program (label)`, or what is known.
[[nodiscard]] std::string describe(const Party& party);

/// `by web1:4711 dlock (backup.sh) for 3.2 s`: for a held lock, after the word "held".
[[nodiscard]] std::string held_by(const LockInfo& lock);

/// All about one lock, on several lines.
[[nodiscard]] std::string lock_details(const LockInfo& lock);

/// All about one latch or barrier, on several lines.
[[nodiscard]] std::string latch_details(const LatchInfo& latch);
[[nodiscard]] std::string barrier_details(const BarrierInfo& barrier);

/// A ring of waits, on a line for each lock.
[[nodiscard]] std::string ring_text(const std::vector<DeadlockLink>& ring);

/// One line a lock under a line of headings, which `colour` makes bold.
[[nodiscard]] std::string lock_table(const std::vector<LockInfo>& locks, bool colour);

}  // namespace dlock::cli
