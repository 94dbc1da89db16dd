// The processes that a command started, looked up in /proc.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::cli {

/// A process that has not ended.
struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = 0;    ///< as in /proc: 'T' is stopped
  std::string name;  ///< at most 15 bytes, of any kind
};

/// How the processes of one command are told from others.
struct CommandProcesses {
  /// All its descendants are the command's: dlock adopts those whose parents ended. 0: none.
  pid_t dlock = 0;
  pid_t guard = 0;  ///< is not
  pid_t group = 0;  ///< all in it are
  /// All that have these bytes in their environment are, and their descendants. Empty: none are.
  std::string_view mark;
};

/// Those that live. Without /proc: nobody.
[[nodiscard]] std::vector<Process> find_processes(const CommandProcesses& of);

/// Sends a signal to each. Returns those that may not be sent any, as they run as another user.
std::vector<Process> signal_all(std::span<const Process> processes, int signal);

/// From here on a process whose parents ended is a child of this one, so that it is found.
void adopt_orphans() noexcept;
/// Collects adopted processes that have ended, but not those to `keep`.
void collect_orphans(std::span<const pid_t> keep) noexcept;

}  // namespace dlock::cli
