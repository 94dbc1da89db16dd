// The processes that a command started, looked up in /proc.
#include "cli/process_tree.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "cli/descriptor.hpp"
#include "redis/server_process.hpp"

namespace dlock::cli {

namespace {

// At most `most` bytes of a file; empty if the process ended meanwhile, or is another user's.
std::string read_file(const std::string& path, std::size_t most) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string bytes;
  while (file && bytes.size() < most) {
    char part[4096];
    const auto size = ::read(file.get(), part, sizeof part);
    if (size <= 0) break;
    bytes.append(part, static_cast<std::size_t>(size));
  }
  return bytes;
}

std::string read_environment(pid_t pid) {
  constexpr std::size_t most = std::size_t{4} << 20;  // twice what Linux allows by default
  return read_file("/proc/" + std::to_string(pid) + "/environ", most);
}

// /proc/PID/stat: "PID (NAME) STATE PPID PGRP ...", where NAME may contain anything.
std::optional<Process> read_process(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 1024);
  const auto begin = text.find('(');
  const auto end = text.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
  Process process;
  process.pid = pid;
  process.name = text.substr(begin + 1, end - begin - 1);
  const int fields = std::sscanf(text.c_str() + end + 1, " %c %d %d", &process.state,
                                 &process.parent, &process.group);
  if (fields != 3) return std::nullopt;
  return process;
}

// One that a dlock inside the command has started, which serves others too, is none of the
// command's.
using redis::is_private_server;

// With ended ones that nobody has collected.
std::vector<Process> all_processes() {
  std::vector<Process> all;
  std::error_code problem;
  std::filesystem::directory_iterator entry{"/proc", problem};
  for (; !problem && entry != std::filesystem::directory_iterator{}; entry.increment(problem)) {
    const auto name = entry->path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    if (auto process = read_process(pid)) all.push_back(std::move(*process));
  }
  return all;
}

bool has_ended(const Process& process) { return process.state == 'Z' || process.state == 'X'; }

}  // namespace

std::vector<Process> find_processes(const CommandProcesses& of) {
  const auto all = all_processes();
  const pid_t self = ::getpid();
  std::set<pid_t> found;
  const auto is_first = [&](const Process& process) {
    if (of.group != 0 && process.group == of.group) return true;
    if (of.dlock != 0 && process.parent == of.dlock) return !is_private_server(process.pid);
    return !of.mark.empty() && read_environment(process.pid).find(of.mark) != std::string::npos;
  };
  for (const auto& process : all) {
    const bool is_one_of_us =
        process.pid == self || process.pid == of.dlock || process.pid == of.guard;
    if (!is_one_of_us && is_first(process)) found.insert(process.pid);
  }
  // Their descendants, in any order of numbers.
  for (bool more = true; more;) {
    more = false;
    for (const auto& process : all) {
      if (!found.contains(process.parent) || found.contains(process.pid)) continue;
      if (process.pid == of.guard || is_private_server(process.pid)) continue;
      more = found.insert(process.pid).second;
    }
  }
  std::vector<Process> living;
  for (const auto& process : all) {
    if (found.contains(process.pid) && !has_ended(process)) living.push_back(process);
  }
  return living;
}

std::vector<Process> signal_all(std::span<const Process> processes, int signal) {
  std::vector<Process> refused;
  for (const auto& process : processes) {
    if (::kill(process.pid, signal) != 0 && errno == EPERM) refused.push_back(process);
  }
  return refused;
}

void adopt_orphans() noexcept { (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void collect_orphans(std::span<const pid_t> keep) noexcept {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    // One to keep stands before the others: they have time until it is collected.
    if (std::ranges::find(keep, info.si_pid) != keep.end()) return;
    (void)::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace dlock::cli
