// OuterRuns: the runs of dlock in which this program was started, and the locks that they hold.
#pragma once

#include <string>
#include <vector>

namespace dlock::runtime {

/// Whether $DLOCK_HELD names any.
[[nodiscard]] bool has_outer_runs();

/// The tokens of those runs that cannot end before this process does: each process from the run's
/// down to this one waits for the next one, and for no other. Nothing certainly waits for a job in
/// the background, so the run that started it may end and release its locks. Reads /proc each time,
/// since that changes. A process that it hides counts as one for which nothing waits.
[[nodiscard]] std::vector<std::string> tokens_of_outer_runs();

}  // namespace dlock::runtime
