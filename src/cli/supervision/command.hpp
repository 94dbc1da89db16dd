// Starting the command that runs under the lock.
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

/// The objects with which dlock starts and supervises a command.
struct Surroundings {
  const InheritedDescriptors& descriptors;
  const Signals& signals;
  const Terminal& terminal;
  Guard& guard;
};

/// The result of a start: a process, or the reason why there is none.
struct Started {
  pid_t pid = -1;   ///< also the number of its process group
  int problem = 0;  ///< the errno of a failed exec, or ETIME after the deadline; 0: it runs
};

/// A placeholder, in the value of a variable, for the pid of the command, which is unknown until
/// the fork.
inline constexpr std::string_view own_pid = "\x01PID\x01______";

/// Returns the variable for the lock with this index: NAME for the first, NAME_2 for the second.
[[nodiscard]] std::string numbered(std::string_view variable, std::size_t index);

/// Starts `arguments` as the leader of its own process group. Its environment is dlock's, with
/// `variables` in place of those of an outer dlock, and with its pid where systemd's variables name
/// dlock. The kernel kills it when the thread that started it ends. Throws `std::system_error` if
/// dlock cannot create a process.
[[nodiscard]] Started start_command(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& variables, const Surroundings& around);

/// Returns the exit status of a failed start: a shell's 127 (not found) or 126 (any other error),
/// or 73 (too late).
[[nodiscard]] int exit_code_of_start(int problem) noexcept;

}  // namespace dlock::cli
