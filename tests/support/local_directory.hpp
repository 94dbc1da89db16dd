// A directory for a private server in a test, and the processes that run in it.
#pragma once

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/wait.hpp"

namespace dlock::test {

/// Temporary; on destruction every process whose working directory is in it is killed, by its pid.
class LocalDirectory {
 public:
  LocalDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "dlock-local-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    root_ = name;
  }
  ~LocalDirectory() {
    // Until there is none: one may just have been started.
    (void)eventually([this] {
      const auto pids = processes();
      for (const auto pid : pids) ::kill(pid, SIGKILL);
      return pids.empty();
    });
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  LocalDirectory(const LocalDirectory&) = delete;
  LocalDirectory& operator=(const LocalDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  /// Where the server goes; not there yet.
  [[nodiscard]] std::string path() const { return (root_ / "dlock").string(); }
  [[nodiscard]] std::string url() const { return "local:" + path(); }

  /// All processes whose working directory is in here.
  [[nodiscard]] std::vector<pid_t> processes() const {
    std::vector<pid_t> pids;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
      const auto name = entry.path().filename().string();
      if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
      std::error_code gone;
      const auto cwd = std::filesystem::read_symlink(entry.path() / "cwd", gone);
      if (!gone && cwd.string().starts_with(root_.string())) pids.push_back(std::stoi(name));
    }
    return pids;
  }
  /// The one server's; 0 if there is not exactly one.
  [[nodiscard]] pid_t server() const {
    const auto pids = processes();
    return pids.size() == 1 ? pids[0] : 0;
  }
  void kill_server() const {
    const auto pid = server();
    if (pid != 0) ::kill(pid, SIGKILL);
    if (!eventually([&] { return processes().empty() && is_over(pid); })) {
      throw std::runtime_error("the server cannot be killed");
    }
  }

 private:
  // Its other threads take connections for a moment after its working directory is gone.
  static bool is_over(pid_t pid) {
    const auto process = "/proc/" + std::to_string(pid);
    std::ifstream file{process + "/stat"};
    const std::string stat{std::istreambuf_iterator<char>{file}, {}};
    if (stat.find(") Z ") == stat.npos) return stat.empty();
    std::error_code gone;
    const std::filesystem::directory_iterator threads{process + "/task", gone};
    return gone || std::distance(begin(threads), end(threads)) <= 1;
  }

  std::filesystem::path root_;
};

}  // namespace dlock::test
