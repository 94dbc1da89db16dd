// Rights: those that a user needs on the server, as docs/protocol.md lists them, and which of them
// are missing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/server_probe.hpp"

namespace dlock::detail {

/// The purpose of a right.
enum class Use {
  client,     ///< to have locks at all
  blocks,     ///< to take free locks without scripts
  watch,      ///< to hear of a loss at once
  reconnect,  ///< to end the former connection, so that a reconnect is quick
  candidate,  ///< to be elected
  look,       ///< dlock ls, dlock info
  replicas,   ///< to wait for replicas, where there are some
  cluster,    ///< to find slots, and leases in one that moves
};

struct Right {
  std::string_view grant;  ///< a word of ACL SETUSER; `PREFIX` in it stands for the locks' names
  Use use;
  bool keyed = false;  ///< a command that takes a key first
};

/// All rights but `+select`.
[[nodiscard]] std::span<const Right> all_rights();

struct RightsFacts {
  std::string unknown;         ///< why the server did not say
  std::vector<Right> missing;  ///< `grants` has the words that grant them
  std::vector<std::string> grants;
};

/// Asks the server by a script that does nothing else, and so uses no right but EVAL.
[[nodiscard]] RightsFacts find_missing_rights(redis::ServerProbe& node, std::string_view prefix);

}  // namespace dlock::detail
