// dlock latch and dlock barrier: waiting for others.
#pragma once

#include "cli/arguments/arguments.hpp"

namespace dlock::cli {

/// Each returns the exit status: 75 if the latch or barrier does not open in time, or does not
/// exist for --show. They throw as the library does.
[[nodiscard]] int pass(const LatchArguments& arguments);
[[nodiscard]] int pass(const BarrierArguments& arguments);

}  // namespace dlock::cli
