// The guard's record of processes.
#include "cli/supervision/process_record.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "local_server/server_process.hpp"

namespace dlock::cli {

void ProcessRecord::begin(pid_t session, runtime::BootTime when) {
  session_ = session;
  begin_ = last_look_ = look_before_ = runtime::start_ticks(when);
}

void ProcessRecord::look(pid_t dlock, pid_t guard) {
  const auto now = runtime::start_ticks(runtime::boot_now());
  std::map<pid_t, std::uint64_t> seen;
  for (const auto& process : find_descendants(dlock, guard)) {
    seen.emplace(process.pid, process.start);
  }
  for (const auto& [pid, start] : seen_) {
    if (seen.contains(pid)) continue;
    const auto process = runtime::read_process(pid);
    if (process && process->start == start && !process->has_ended()) seen.emplace(pid, start);
  }
  seen_ = std::move(seen);
  look_before_ = std::exchange(last_look_, now);
}

bool ProcessRecord::has_seen(const Process& process) const {
  const auto entry = seen_.find(process.pid);
  return entry != seen_.end() && entry->second == process.start;
}

bool ProcessRecord::is_stranger(const Process& process) const {
  return process.start < look_before_ && !has_seen(process);
}

void ProcessRecord::find(std::string_view mark, const std::function<void(pid_t)>& visit) {
  const auto all = runtime::all_processes();
  const auto is_ours = [&](const Process& process) {
    if (has_seen(process)) return true;
    if (mark.empty() || process.start < begin_ || local_server::is_private_server(process.pid))
      return false;
    return runtime::read_process_file(process.pid, "environ").find(mark) != std::string::npos;
  };
  std::set<pid_t> found;
  for (const auto& process : all) {
    if (process.pid != ::getpid() && is_ours(process)) found.insert(process.pid);
  }
  // Adds their descendants; a child may have a lower pid than its parent.
  for (bool more = true; more;) {
    more = false;
    for (const auto& process : all) {
      if (!found.contains(process.parent) || found.contains(process.pid)) continue;
      if (process.pid == ::getpid() || local_server::is_private_server(process.pid)) continue;
      more = found.insert(process.pid).second;
    }
  }
  for (const auto& process : all) {
    if (!found.contains(process.pid) || process.has_ended()) continue;
    seen_[process.pid] = process.start;
    visit(process.pid);
  }
}

bool ProcessRecord::knows_children_of(pid_t adopter, pid_t guard) const {
  auto children = runtime::children_of(adopter);
  const auto first = std::ranges::find(children, guard);
  if (first == children.end()) return false;  // the system hides the children
  // The guard was dlock's first child, so the adopter lists dlock's other children behind it.
  children.erase(children.begin(), first + 1);
  const auto all = runtime::all_processes();
  std::set<pid_t> groups;
  std::set<pid_t> sessions;
  for (const auto& process : all) {
    if (!is_stranger(process)) continue;
    groups.insert(process.group);
    if (process.session != session_) sessions.insert(process.session);
  }
  const auto is_known = [&](const Process& process) {
    return process.has_ended() || has_seen(process) || is_stranger(process) ||
           groups.contains(process.group) || sessions.contains(process.session) ||
           process.name == guard_name || local_server::is_private_server(process.pid);
  };
  return std::ranges::all_of(children, [&](pid_t child) {
    const auto process = std::ranges::find(all, child, &Process::pid);
    return process == all.end() || is_known(*process);
  });
}

}  // namespace dlock::cli
