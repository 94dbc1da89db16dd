// dlock elect --listen and --show: printing the leaders of an election.
#pragma once

#include "cli/arguments/arguments.hpp"

namespace dlock::cli {

/// Prints the leader, or with `listen` each change until stdout closes or a signal ends dlock.
/// Returns the exit status. Throws as the library does, except when a server that answered before
/// cannot be reached for a while.
[[nodiscard]] int look(const ElectionArguments& arguments);

}  // namespace dlock::cli
