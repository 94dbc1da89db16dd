// The processes that a command started: its descendants, whom dlock adopts when their parents end.
#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <vector>

#include "runtime/process.hpp"

namespace dlock::cli {

using runtime::Process;

/// Calls `visit` with the number of each descendant of `root`, the newest first, before it looks
/// for those below. Leaves out the guard, and the private server that a dlock inside the command
/// has started, which serves others too.
void for_each_descendant(pid_t root, pid_t guard, const std::function<void(pid_t)>& visit);

/// The descendants that live. Empty only if there are none, when `root` adopts orphans and collects
/// none meanwhile.
[[nodiscard]] std::vector<Process> find_descendants(pid_t root, pid_t guard);

/// Calls its argument for each process that it finds.
using Find = std::function<void(const std::function<void(pid_t)>&)>;

/// Stops all that `find` finds, with their process groups but not the group `spared`, before it
/// looks again, until it finds no others: a process that is stopped starts none. Then kills them.
/// Returns those that it may not send signals to, as they run as another user.
std::vector<Process> stop_and_kill(const Find& find, pid_t spared);

/// Sends a signal to each.
void signal_all(std::span<const Process> processes, int signal);

/// From here on a process whose parents ended is a child of this one, so that it is found.
void adopt_orphans() noexcept;
/// Collects adopted processes that have ended, but not those to `keep`.
void collect_orphans(std::span<const pid_t> keep);

}  // namespace dlock::cli
