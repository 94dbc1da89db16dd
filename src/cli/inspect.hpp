// The subcommands that show locks or take them from holders: ls, info, deadlocks, break.
#pragma once

#include "cli/arguments/arguments.hpp"

namespace dlock::cli {

/// Each prints to stdout, and returns the exit status. They throw as the library does.
[[nodiscard]] int list(const ListArguments& arguments);
[[nodiscard]] int info(const InfoArguments& arguments);
[[nodiscard]] int deadlocks(const DeadlocksArguments& arguments);
[[nodiscard]] int break_holder(const BreakArguments& arguments);

}  // namespace dlock::cli
