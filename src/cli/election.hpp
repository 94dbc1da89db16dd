// dlock elect --listen and --show: looking at an election.
#pragma once

#include "cli/arguments.hpp"

namespace dlock::cli {

/// Prints who leads, or with `listen` each change until stdout is closed or a signal ends us.
/// Returns the exit status. Throws as the library does, but not when a server that answered before
/// is out of reach for a while.
[[nodiscard]] int look(const ElectionArguments& arguments);

}  // namespace dlock::cli
