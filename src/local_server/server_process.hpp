// The private server as a process: found by its claim where no file leads to it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "local_server/server_claim.hpp"
#include "runtime/deadline.hpp"
#include "runtime/process.hpp"

namespace dlock::local_server {

/// The processes that have the name of a claim, as far as this process can see.
struct Claimants {
  std::string socket;  ///< the socket with that name, as /proc shows it; empty: the name is free
  std::vector<pid_t> servers;
  bool starters = false;  ///< some are processes of this user that are no servers
  bool hidden = false;    ///< this process may not look into some processes of this user

  /// Whether processes of another user have the name.
  [[nodiscard]] bool are_strangers() const {
    return !socket.empty() && servers.empty() && !starters && !hidden;
  }
};

/// Whether the process `pid` is a private server, by the files it has open: also one that has just
/// begun, or whose directory is gone.
[[nodiscard]] inline bool is_private_server(pid_t pid) {
  const auto is_its_file = [pid](int fd) {
    const auto file = runtime::descriptor_target(pid, fd);
    const auto end = file.rfind("/server.lock");
    return end != std::string::npos &&
           runtime::working_directory(pid).starts_with(file.substr(0, end));
  };
  // The name comes first, then the file. Earlier versions had the file alone.
  return is_its_file(claim_place) || is_its_file(claim_place + 1);
}

/// Looks through this user's processes for those that have the claim `name`.
[[nodiscard]] Claimants find_claimants(const std::string& name);

/// A path that leads to the socket of one of `servers`, also if its directory was removed, renamed,
/// replaced, or is hidden from this process. It goes through the server's working directory, or
/// through a client that is connected and keeps a descriptor of the socket. Empty: there is none.
[[nodiscard]] std::string find_socket_of(const std::vector<pid_t>& servers,
                                         runtime::Deadline deadline);

/// Whether nobody is connected to the server `pid`, nor can be: it has no connection, and its
/// socket is gone.
[[nodiscard]] bool is_abandoned(pid_t pid);

}  // namespace dlock::local_server
