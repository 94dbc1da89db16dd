// dlock run: a command under a lock.
#pragma once

#include "cli/arguments.hpp"
#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// Returns the exit status. Throws as the library does. To be called before there are threads.
[[nodiscard]] int run(const RunArguments& arguments, const InheritedDescriptors& descriptors);

}  // namespace dlock::cli
