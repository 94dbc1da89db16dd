// The claim to be a user's private server: its starter has it, and then the server itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/descriptor.hpp"

namespace dlock::local_server {

/// What two servers for the same `place` (a directory; empty: the user's usual one) would both be
/// called. It belongs to this machine and user, and to no file: whatever is removed, a server keeps
/// it while it lives.
[[nodiscard]] std::string claim_name(const std::string& place);

/// The descriptor of the name in a server.
inline constexpr int claim_place = 3;

/// Three things that one process at a time can have, and that the server inherits and keeps for as
/// long as it lives, so that there is never a second one, not even when a starter is killed
/// half-way: a lock on the file `server.lock` of its directory, one on the directory itself, which
/// those who clean up heed too, and a name among the abstract sockets, which outlives the
/// directory.
class Claim {
 public:
  /// Takes nothing yet.
  Claim(std::string directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {}

  /// Takes what is missing. True: it is ours. Throws `Unreachable` if the files cannot be opened.
  [[nodiscard]] bool try_take();
  /// Whether the last attempt failed only because somebody has the name.
  [[nodiscard]] bool lacks_the_name() const { return lacks_the_name_; }
  /// Does without, as somebody has it who is not the user.
  void renounce_the_name() { wants_name_ = false; }
  /// Leaves all to those who inherited it, or to nobody.
  void let_go();

  /// What a server must inherit, from `claim_place` on; -1: nothing.
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
