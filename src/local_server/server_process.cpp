// The private server as a process: found by its claim where no file leads to it.
#include "local_server/server_process.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "dlock/error.hpp"
#include "local_server/server_program.hpp"
#include "redis/dial.hpp"
#include "runtime/file_system.hpp"

namespace dlock::local_server {
namespace {

using runtime::descriptor_target;
using runtime::for_each_descriptor;

// The file of a descriptor, as /proc shows it, also if the file was removed.
std::string file_of(pid_t pid, int fd) {
  auto name = descriptor_target(pid, fd);
  constexpr std::string_view removed = " (deleted)";
  if (name.ends_with(removed)) name.resize(name.size() - removed.size());
  return name;
}

bool leads_to(const std::string& path, const std::vector<pid_t>& servers,
              runtime::Deadline deadline) {
  try {
    const runtime::Descriptor socket{redis::dial_unix(path, deadline)};
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           std::ranges::find(servers, peer.pid) != servers.end();
  } catch (const Unreachable&) {
    return false;
  }
}

std::string socket_in(pid_t pid) { return runtime::path_in_working_directory(pid, socket_name); }

}  // namespace

Claimants find_claimants(const std::string& name) {
  Claimants found;
  found.socket = runtime::abstract_socket_target(name);
  if (found.socket.empty()) return found;
  for (const auto pid : runtime::processes_of_user()) {
    const bool readable = for_each_descriptor(pid, [&](int fd) {
      std::error_code error;
      const auto of = descriptor_target(pid, fd, error);
      if (error == std::errc::permission_denied) found.hidden = true;
      if (of != found.socket) return;
      if (fd == claim_place) {
        found.servers.push_back(pid);
      } else {
        found.starters = true;
      }
    });
    if (!readable && errno == EACCES) found.hidden = true;
  }
  return found;
}

std::string find_socket_of(const std::vector<pid_t>& servers, runtime::Deadline deadline) {
  for (const auto pid : servers) {
    if (auto path = socket_in(pid); leads_to(path, servers, deadline)) return path;
  }
  std::string found;
  for (const auto pid : runtime::processes_of_user()) {
    for_each_descriptor(pid, [&](int fd) {
      if (!found.empty()) return;
      if (!file_of(pid, fd).ends_with(std::string{"/"}.append(socket_name))) return;
      const auto path = runtime::path_of_descriptor(pid, fd);
      if (leads_to(path, servers, deadline)) found = path;
    });
    if (!found.empty()) break;
  }
  return found;
}

bool is_abandoned(pid_t pid) {
  if (runtime::file_info(socket_in(pid)).error != ENOENT) return false;
  int sockets = 0;
  for_each_descriptor(
      pid, [&](int fd) { sockets += descriptor_target(pid, fd).starts_with("socket:") ? 1 : 0; });
  return sockets == 2;  // the one that it listens on, and its claim
}

}  // namespace dlock::local_server
