// The claim to be a user's private server. The starter takes it, and the server inherits it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/descriptor.hpp"

namespace dlock::local_server {

/// The name that two servers for the same `place` (a directory; empty: the user's usual one) would
/// share. It belongs to this machine and user, and to no file: a server keeps it while it lives,
/// whatever is removed.
[[nodiscard]] std::string claim_name(const std::string& place);

/// The descriptor of the socket with that name in a server.
inline constexpr int claim_place = 3;

/// Three things that one process at a time can have: a lock on the file `server.lock` of the
/// directory, a lock on the directory itself, which programs that clean up respect, and a name
/// among the abstract sockets, which outlives the directory. The server inherits them and keeps
/// them while it lives, so there is never a second server, even if a starter is killed half-way.
class Claim {
 public:
  /// Takes nothing yet.
  Claim(std::string directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {}

  /// Takes what is missing. Returns whether it has everything now. Throws `Unreachable` if the
  /// files cannot be opened.
  [[nodiscard]] bool try_take();
  /// Whether the last attempt failed only because another process has the name.
  [[nodiscard]] bool lacks_the_name() const { return lacks_the_name_; }
  /// Does without the name, which another user has.
  void renounce_the_name() { wants_name_ = false; }
  /// Leaves everything to the processes that inherited it.
  void let_go();

  /// The descriptors that a server must inherit, from `claim_place` on; -1: none.
  [[nodiscard]] std::vector<int> descriptors() const;

 private:
  [[nodiscard]] bool open_files();
  [[nodiscard]] bool try_take_the_name();

  const std::string directory_;
  const std::string name_;
  runtime::Descriptor file_;
  runtime::Descriptor folder_;
  runtime::Descriptor socket_;
  bool wants_name_ = true;
  bool lacks_the_name_ = false;
};

}  // namespace dlock::local_server
