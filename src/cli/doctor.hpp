// dlock doctor: finds what is wrong with the servers.
#pragma once

#include "cli/arguments/arguments.hpp"

namespace dlock::cli {

/// Prints the findings, and returns the exit status of the worst grade. Throws as the library does.
[[nodiscard]] int examine(const DoctorArguments& arguments);

}  // namespace dlock::cli
