// Exit statuses of the command: those of sysexits(3) and of the shell.
#pragma once

namespace dlock::cli {

inline constexpr int exit_warning = 1;        ///< doctor found warnings, but no danger
inline constexpr int exit_danger = 2;         ///< doctor found a danger
inline constexpr int exit_usage = 64;         ///< the command line is wrong
inline constexpr int exit_unavailable = 69;   ///< the store is unreachable or refuses a command
inline constexpr int exit_internal = 70;      ///< a bug in dlock itself
inline constexpr int exit_os_error = 71;      ///< the operating system refused (fork, pipe)
inline constexpr int exit_lost = 73;          ///< the lock was lost; a latch or barrier is broken
inline constexpr int exit_output = 74;        ///< dlock cannot write to stdout
inline constexpr int exit_not_obtained = 75;  ///< somebody else has the lock; try again later
inline constexpr int exit_not_executable = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal = 128;  ///< plus the number of the signal

}  // namespace dlock::cli
