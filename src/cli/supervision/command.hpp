// The command that runs under the lock: what it is, and starting it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/supervision/descriptor.hpp"
#include "cli/supervision/guard.hpp"
#include "cli/supervision/signals.hpp"
#include "cli/supervision/terminal.hpp"

namespace dlock::cli {

/// What the command gets from dlock, apart from its arguments.
struct Surroundings {
  const InheritedDescriptors& descriptors;
  const Signals& signals;
  const Terminal& terminal;
  Guard& guard;
};

/// How a start went: a process, or why there is none.
struct Started {
  pid_t pid = -1;  ///< also the number of its process group
  int problem =
      0;  ///< an errno of the exec, ETIME if the deadline had passed; it is collected then
};

/// Stands in the value of a variable for the number of the command's process, which is not known
/// before it is there.
inline constexpr std::string_view own_pid = "\x01PID\x01______";

/// The variable for the lock with this index: NAME for the first, NAME_2 for the second.
[[nodiscard]] std::string numbered(std::string_view variable, std::size_t index);

/// Starts `arguments` as the leader of a process group of its own, with dlock's environment and the
/// `variables` set in it in place of those of an outer dlock, and what systemd said of our process
/// said of its own. It dies with the thread that starts it. Throws `std::system_error` when there
/// can be no process.
[[nodiscard]] Started start_command(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& variables, const Surroundings& around);

/// How the start failed, as a shell would say it: 127 not found, 126 anything else; 73 too late.
[[nodiscard]] int exit_code_of_start(int problem) noexcept;

}  // namespace dlock::cli
