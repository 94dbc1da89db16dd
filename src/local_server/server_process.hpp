// The private server as a process: found by its claim where no file leads to it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "local_server/server_claim.hpp"
#include "runtime/deadline.hpp"
#include "runtime/process.hpp"

namespace dlock::local_server {

/// Who has the name of a claim, as far as this process can see.
struct Claimants {
  std::string socket;  ///< which has the name, as /proc calls it; empty: it is free
  std::vector<pid_t> servers;
  bool starters = false;  ///< processes of this user that are no servers
  bool hidden = false;    ///< there are processes of this user that cannot be looked into

  /// Whether it is somebody else who has it.
  [[nodiscard]] bool are_strangers() const {
    return !socket.empty() && servers.empty() && !starters && !hidden;
  }
};

/// Whether the process `pid` is a private server, by what it holds: also one that has just begun,
/// or whose directory is gone.
[[nodiscard]] inline bool is_private_server(pid_t pid) {
  const auto is_its_file = [pid](int fd) {
    const auto file = runtime::descriptor_target(pid, fd);
    const auto end = file.rfind("/server.lock");
    return end != std::string::npos &&
           runtime::working_directory(pid).starts_with(file.substr(0, end));
  };
  // Its name, then its file; of earlier versions the file alone.
  return is_its_file(claim_place) || is_its_file(claim_place + 1);
}

/// Looks through this user's processes for those that have the claim `name`.
[[nodiscard]] Claimants find_claimants(const std::string& name);

/// A path that leads to the socket of one of `servers`, although its directory was removed, renamed
/// or replaced, or is hidden from this process: by the server's working directory, or by a client
/// that is still connected and holds on to the socket. Empty: none.
[[nodiscard]] std::string find_socket_of(const std::vector<pid_t>& servers,
                                         runtime::Deadline deadline);

/// Whether nobody is connected to the server `pid`, nor can be: it has no connection, and its
/// socket is gone.
[[nodiscard]] bool is_abandoned(pid_t pid);

}  // namespace dlock::local_server
