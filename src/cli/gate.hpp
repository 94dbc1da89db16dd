// dlock latch and dlock barrier: waiting for others.
#pragma once

#include "cli/arguments.hpp"

namespace dlock::cli {

/// Each returns the exit status: 75 if it did not open in time, or is not there to be shown. They
/// throw as the library does.
[[nodiscard]] int pass(const LatchArguments& arguments);
[[nodiscard]] int pass(const BarrierArguments& arguments);

}  // namespace dlock::cli
