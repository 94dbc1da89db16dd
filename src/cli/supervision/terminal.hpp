// The controlling terminal: lending it to the command, and taking it back.
#pragma once

#include <sys/types.h>

#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// The command has a process group of its own, and a terminal lets only its foreground group read
/// and sends Ctrl-C only there. If that is our group, the command's takes its place.
class Terminal {
 public:
  /// Finds the controlling terminal; there may be none.
  Terminal();

  /// Whether our group is the terminal's foreground group now.
  [[nodiscard]] bool is_ours() const noexcept;
  /// Whether the command should get it at once: it is ours and it is our stdin. Not when stdout is
  /// a pipe: what stands at its other end (`less`) may be in our group and need the terminal. The
  /// command then gets it when it first asks for it.
  [[nodiscard]] bool lend_at_once() const noexcept;
  /// Makes `group` the foreground group. Safe between fork and exec; needs SIGTTOU blocked.
  void lend(pid_t group) const noexcept;
  [[nodiscard]] bool is_lent_to(pid_t group) const noexcept;
  /// Makes our group the foreground group again if `group` is, or one that no longer exists; what
  /// the user's shell has put there since stays.
  void take_back(pid_t group) const noexcept;

 private:
  Descriptor fd_;
};

}  // namespace dlock::cli
