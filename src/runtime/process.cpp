// Reading /proc.
#include "runtime/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include "runtime/descriptor.hpp"

namespace dlock::runtime {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string path_of(pid_t pid) { return "/proc/" + std::to_string(pid) + '/'; }

std::string read_file(const std::string& path, std::size_t max) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string bytes;
  while (file && bytes.size() < max) {
    char part[4096];
    const auto size = ::read(file.get(), part, sizeof part);
    if (size <= 0) break;
    bytes.append(part, static_cast<std::size_t>(size));
  }
  return bytes;
}

// Whether the kernel was built with /proc/PID/task/TID/children.
bool has_lists_of_children() {
  static const bool has = ::access("/proc/thread-self/children", F_OK) == 0;
  return has;
}

// Calls `use` for each entry of a directory that is a number. False: it cannot be read.
bool for_each_number(const std::string& directory, const std::function<void(int)>& use) {
  const std::unique_ptr<DIR, CloseDirectory> list{::opendir(directory.c_str())};
  if (list == nullptr) return false;
  while (const auto* const entry = ::readdir(list.get())) {
    const std::string_view name = entry->d_name;
    int value = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
    if (error == std::errc{} && end == name.data() + name.size()) use(value);
  }
  return true;
}

}  // namespace

bool for_each_descriptor(pid_t pid, const std::function<void(int)>& use) {
  return for_each_number(path_of(pid) + "fd", use);
}

std::string read_process_file(pid_t pid, std::string_view name, std::size_t max) {
  return read_file(path_of(pid).append(name), max);
}

std::string descriptor_target(pid_t pid, int fd) {
  std::error_code error;
  return descriptor_target(pid, fd, error);
}

std::string working_directory(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink(path_of(pid) + "cwd", error).string();
}

std::string descriptor_target(pid_t pid, int fd, std::error_code& error) {
  return std::filesystem::read_symlink(path_of_descriptor(pid, fd), error).string();
}

std::string path_in_working_directory(pid_t pid, std::string_view path) {
  return (path_of(pid) + "cwd/").append(path);
}

std::string path_of_descriptor(pid_t pid, int fd) {
  return path_of(pid) + "fd/" + std::to_string(fd);
}

std::string abstract_socket_target(const std::string& name) {
  std::ifstream list{"/proc/net/unix"};
  for (std::string line; std::getline(list, line);) {
    if (!line.ends_with(" @" + name)) continue;
    line.resize(line.size() - name.size() - 2);
    return "socket:[" + line.substr(line.rfind(' ') + 1) + "]";
  }
  return {};
}

// /proc/PID/stat: "PID (NAME) STATE PPID PGRP ...", where NAME may contain anything.
std::optional<Process> read_process(pid_t pid) {
  const auto text = read_process_file(pid, "stat");
  const auto begin = text.find('(');
  const auto end = text.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
  Process process;
  process.pid = pid;
  process.name = text.substr(begin + 1, end - begin - 1);
  unsigned long long start = 0;
  const int fields = std::sscanf(text.c_str() + end + 1,
                                 " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                                 "%*d %d %*d %llu",
                                 &process.state, &process.parent, &process.group, &process.session,
                                 &process.threads, &start);
  process.start = start;
  if (fields != 6) return std::nullopt;
  return process;
}

std::vector<Process> all_processes() {
  std::vector<Process> all;
  for_each_number("/proc", [&](pid_t pid) {
    if (auto process = read_process(pid)) all.push_back(std::move(*process));
  });
  return all;
}

std::vector<pid_t> processes_of_user() {
  std::vector<pid_t> pids;
  for_each_number("/proc", [&](pid_t pid) {
    struct stat status{};
    if (::stat(path_of(pid).c_str(), &status) == 0 && status.st_uid == ::geteuid()) {
      pids.push_back(pid);
    }
  });
  return pids;
}

std::uint64_t start_ticks(BootTime when) {
  const auto tick = std::chrono::nanoseconds{std::chrono::seconds{1}} / ::sysconf(_SC_CLK_TCK);
  return static_cast<std::uint64_t>(when / tick);
}

std::string process_space() {
  struct stat status{};
  (void)::stat("/proc/self/ns/pid", &status);
  return std::to_string(status.st_ino);
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  if (!has_lists_of_children()) {
    for (const auto& process : all_processes()) {
      if (process.parent == pid) children.push_back(process.pid);
    }
    return children;
  }
  for_each_number(path_of(pid) + "task", [&](int thread) {
    const auto text = read_process_file(pid, "task/" + std::to_string(thread) + "/children");
    for (const char* at = text.data(); at < text.data() + text.size();) {
      pid_t child = 0;
      const auto [end, error] = std::from_chars(at, text.data() + text.size(), child);
      if (error == std::errc{}) children.push_back(child);
      at = end + 1;
    }
  });
  return children;
}

}  // namespace dlock::runtime
