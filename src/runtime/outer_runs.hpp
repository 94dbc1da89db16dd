// OuterRuns: what the runs of dlock hold in which this program was started, as $DLOCK_HELD says.
#pragma once

#include <string>
#include <vector>

namespace dlock::runtime {

/// Whether there is anything.
[[nodiscard]] bool has_outer_runs();

/// The tokens of those runs that cannot end before this process does: each process from theirs to
/// ours waits for the next one, and for no other. A job in the background, which nobody waits for
/// or somebody only perhaps, is kept from nothing by the locks of the run that started it. Looked
/// up in /proc each time, as it changes; what cannot be seen there is not waited for.
[[nodiscard]] std::vector<std::string> tokens_of_outer_runs();

}  // namespace dlock::runtime
