// The processes that a command started. dlock adopts them when their parents end.
#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <vector>

#include "runtime/process.hpp"

namespace dlock::cli {

using runtime::Process;

/// Calls `visit` with the pid of each descendant of `root`, newest first, and reads a process's
/// children after its visit. Leaves out the guard, and a private server that a dlock inside the
/// command started, since that serves other programs too.
void for_each_descendant(pid_t root, pid_t guard, const std::function<void(pid_t)>& visit);

/// Returns the living descendants. If `root` adopts orphans, and collects none meanwhile, an empty
/// result proves that there are none.
[[nodiscard]] std::vector<Process> find_descendants(pid_t root, pid_t guard);

/// Calls its argument for each process that it finds.
using Find = std::function<void(const std::function<void(pid_t)>&)>;

/// Stops all processes that `find` finds, and their process groups except `spared`, and looks again
/// until it finds no others: a stopped process starts none. Then kills them all. Returns those that
/// run as another user, to which it may not send signals.
std::vector<Process> stop_and_kill(const Find& find, pid_t spared);

/// Sends a signal to each.
void signal_all(std::span<const Process> processes, int signal);

/// Returns whether this process is the first one of a container, or of another PID namespace. It
/// has adopted all orphans there from the start, and its end kills all processes there.
[[nodiscard]] bool is_first_process() noexcept;
/// Makes this process adopt each descendant whose parent ends, so that it can find them.
void adopt_orphans() noexcept;
/// Collects adopted processes that have ended, except those in `keep`.
void collect_orphans(std::span<const pid_t> keep);

}  // namespace dlock::cli
