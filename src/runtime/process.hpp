// Processes, as /proc shows them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "runtime/boot_time.hpp"

namespace dlock::runtime {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  int threads = 0;
  std::uint64_t start = 0;  ///< ticks since the machine's start; with the number it is unique
  char state = 0;           ///< as in /proc: 'T' is stopped
  std::string name;         ///< at most 15 bytes, of any kind

  /// It has ended, and its parent has not collected it yet. A process of which only the first
  /// thread has ended shows the same state.
  [[nodiscard]] bool has_ended() const noexcept {
    return (state == 'Z' || state == 'X') && threads <= 1;
  }
};

/// None: there is no such process, or it cannot be seen.
[[nodiscard]] std::optional<Process> read_process(pid_t pid);

/// All processes that can be seen, including ended ones that nobody has collected.
[[nodiscard]] std::vector<Process> all_processes();

/// The numbers of this user's processes.
[[nodiscard]] std::vector<pid_t> processes_of_user();

/// An instant in the unit of `Process::start`.
[[nodiscard]] std::uint64_t start_ticks(BootTime when);

/// The name of this process's PID namespace.
[[nodiscard]] std::string process_space();

/// The numbers of the children of all its threads, including ended ones, in the order in which they
/// became its children. Complete only if none of them is collected meanwhile.
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);

/// At most `max` bytes of the file /proc/PID/`name`; empty if it cannot be read.
[[nodiscard]] std::string read_process_file(pid_t pid, std::string_view name,
                                            std::size_t max = std::size_t{4} << 20);

/// What the descriptor `fd` of the process stands for, as /proc shows it. Empty: it is not open, or
/// hidden from this process.
[[nodiscard]] std::string descriptor_target(pid_t pid, int fd);
/// The same; `error` says why it is empty.
[[nodiscard]] std::string descriptor_target(pid_t pid, int fd, std::error_code& error);

/// Empty: it is hidden from this process.
[[nodiscard]] std::string working_directory(pid_t pid);

/// Calls `use` for each open descriptor of the process. False: errno says why they are hidden.
bool for_each_descriptor(pid_t pid, const std::function<void(int)>& use);

/// What a descriptor of the abstract socket `name` stands for. Empty: nobody has that name.
[[nodiscard]] std::string abstract_socket_target(const std::string& name);

/// A path to `path` in the working directory of the process, wherever that is.
[[nodiscard]] std::string path_in_working_directory(pid_t pid, std::string_view path);
/// A path to the file of its descriptor `fd`, which may have been removed.
[[nodiscard]] std::string path_of_descriptor(pid_t pid, int fd);

}  // namespace dlock::runtime
