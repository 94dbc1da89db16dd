// Finding and ending descendants.
#include "cli/supervision/process_tree.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ranges>
#include <set>
#include <utility>

#include "local_server/server_process.hpp"

namespace dlock::cli {

void for_each_descendant(pid_t root, pid_t guard, const std::function<void(pid_t)>& visit) {
  std::vector<pid_t> found{root};
  std::set<pid_t> known{root, guard};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto children = runtime::children_of(found[i]);
    for (const pid_t child : std::views::reverse(children)) {
      if (!known.insert(child).second || local_server::is_private_server(child)) continue;
      visit(child);
      found.push_back(child);
    }
  }
}

std::vector<Process> find_descendants(pid_t root, pid_t guard) {
  constexpr int max_looks = 100;
  std::vector<Process> living;
  std::vector<Process> just_ended;
  std::set<pid_t> ended;
  // A process that ended during a look may have started one that the look missed: look again.
  for (int look = 0; look < max_looks; ++look) {
    just_ended.clear();
    for_each_descendant(root, guard, [&](pid_t pid) {
      auto process = runtime::read_process(pid);
      if (!process) return;
      if (!process->has_ended()) {
        living.push_back(std::move(*process));
      } else if (ended.insert(pid).second) {
        just_ended.push_back(std::move(*process));
      }
    });
    if (!living.empty() || just_ended.empty()) return living;
  }
  return just_ended;  // they start others faster than the looks follow: not empty
}

std::vector<Process> stop_and_kill(const Find& find, pid_t spared) {
  constexpr int max_rounds = 50;   // a process that cannot be stopped may start others
  constexpr int quiet_rounds = 2;  // one may miss a process whose parent changes meanwhile
  std::set<pid_t> found;
  std::set<pid_t> groups;
  for (int round = 0, quiet = 0; round < max_rounds && quiet < quiet_rounds; ++round) {
    ++quiet;
    // A process that starts another and ends, again and again, does not escape its group.
    for (const pid_t group : groups) ::kill(-group, SIGSTOP);
    find([&](pid_t pid) {
      if (!found.insert(pid).second) return;
      quiet = 0;
      ::kill(pid, SIGSTOP);
      const pid_t group = ::getpgid(pid);
      if (group > 1 && group != spared && groups.insert(group).second) ::kill(-group, SIGSTOP);
    });
  }
  for (const pid_t group : groups) ::kill(-group, SIGKILL);
  std::vector<Process> refused;
  for (const pid_t pid : found) {
    if (::kill(pid, SIGKILL) == 0 || errno != EPERM) continue;
    auto process = runtime::read_process(pid);
    if (process && !process->has_ended()) refused.push_back(std::move(*process));
  }
  return refused;
}

void signal_all(std::span<const Process> processes, int signal) {
  for (const auto& process : processes) ::kill(process.pid, signal);
}

bool is_first_process() noexcept { return ::getpid() == 1; }

void adopt_orphans() noexcept { (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void collect_orphans(std::span<const pid_t> keep) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (std::ranges::find(keep, info.si_pid) != keep.end()) break;
    (void)::waitpid(info.si_pid, nullptr, WNOHANG);
  }
  // waitid() returns the one to keep each time: try every other child by its pid.
  for (const pid_t child : runtime::children_of(::getpid())) {
    if (std::ranges::find(keep, child) == keep.end()) (void)::waitpid(child, nullptr, WNOHANG);
  }
}

}  // namespace dlock::cli
