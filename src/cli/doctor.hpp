// dlock doctor: what is wrong with the servers.
#pragma once

#include "cli/arguments.hpp"

namespace dlock::cli {

/// Prints to stdout and returns the exit status, by the worst grade. Throws as the library does.
[[nodiscard]] int examine(const DoctorArguments& arguments);

}  // namespace dlock::cli
