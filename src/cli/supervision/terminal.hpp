// The controlling terminal: lending it to the command, and taking it back.
#pragma once

#include <sys/types.h>

#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// The command has its own process group, but a terminal lets only its foreground group read, and
/// sends Ctrl-C only there. If dlock's group is in the foreground, the command's replaces it.
class Terminal {
 public:
  /// Opens the controlling terminal, if there is one.
  Terminal();

  /// Whether dlock's group is the terminal's foreground group now.
  [[nodiscard]] bool is_ours() const noexcept;
  /// Whether the command should get the terminal at once: dlock has it, and it is stdin. Not if
  /// stdout is a pipe: its reader (`less`) may be in dlock's group and need the terminal. The
  /// command then gets the terminal when it first uses it.
  [[nodiscard]] bool lend_at_once() const noexcept;
  /// Makes `group` the foreground group. Safe between fork and exec; needs SIGTTOU blocked.
  void lend(pid_t group) const noexcept;
  [[nodiscard]] bool is_lent_to(pid_t group) const noexcept;
  /// Makes dlock's group the foreground group again if `group` is, or a group that has ended.
  /// Leaves any other group, which the user's shell has put there, in the foreground.
  void take_back(pid_t group) const noexcept;

 private:
  Descriptor fd_;
};

}  // namespace dlock::cli
