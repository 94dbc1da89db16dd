// dlock run and dlock elect: a command under a lock or as a leader.
#pragma once

#include "cli/arguments/arguments.hpp"
#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// Returns the exit status. Throws as the library does. Call it before dlock starts threads.
[[nodiscard]] int run(const RunArguments& arguments, const InheritedDescriptors& descriptors);

}  // namespace dlock::cli
