// dlock config: shows what holds where the command line says nothing, and who said it.
#pragma once

#include "cli/arguments/arguments.hpp"

namespace dlock::cli {

/// Prints the configuration, and returns the exit status. Throws `UsageError` for what is wrong in
/// it.
[[nodiscard]] int show_configuration(const ConfigArguments& arguments);

}  // namespace dlock::cli
