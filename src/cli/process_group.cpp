// A process group, looked up in /proc.
#include "cli/process_group.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "cli/descriptor.hpp"

namespace dlock::cli {

namespace {

// The beginning of a file; empty if the process ended meanwhile, on which streams throw.
std::string read_some(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  char bytes[512];
  const auto size = file ? ::read(file.get(), bytes, sizeof bytes) : 0;
  return {bytes, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// /proc/PID/stat: "PID (NAME) STATE PPID PGRP ...", where NAME may contain anything.
bool runs_in(pid_t group, const std::filesystem::path& process) {
  const auto text = read_some(process / "stat");
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return false;
  char state = 0;
  int parent = 0;
  int its_group = 0;
  const int fields =
      std::sscanf(text.c_str() + name_end + 1, " %c %d %d", &state, &parent, &its_group);
  return fields == 3 && its_group == group && state != 'Z' && state != 'X';
}

}  // namespace

bool is_alive(pid_t group) {
  std::error_code problem;
  std::filesystem::directory_iterator entry{"/proc", problem};
  for (; !problem && entry != std::filesystem::directory_iterator{}; entry.increment(problem)) {
    const auto name = entry->path().filename().string();
    const bool is_process = name.find_first_not_of("0123456789") == std::string::npos;
    if (is_process && runs_in(group, entry->path())) return true;
  }
  return static_cast<bool>(problem);
}

}  // namespace dlock::cli
