// The signals that dlock takes note of instead of obeying.
#pragma once

#include <signal.h>

#include <optional>

#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// Blocks all signals that can be, for this thread and all that it starts, and reads them from a
/// descriptor. To be made before any other thread. Signals that were ignored when dlock started
/// (nohup, a shell's background jobs) stay ignored, for dlock and for the command.
class Signals {
 public:
  /// Throws `std::system_error`.
  Signals();

  /// Readable when a signal has come.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  struct Signal {
    int number = 0;
    bool was_sent = false;  ///< by somebody, and not by the kernel, which tells of a child's end
  };
  /// The next signal that has come; none: no more.
  [[nodiscard]] std::optional<Signal> take() noexcept;
  /// Lets a signal that was taken do what it does by default.
  void obey(int signal) const noexcept;
  /// Gives this thread the mask dlock was started with. Safe between fork and exec.
  void restore_mask() const noexcept { ::sigprocmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_{};
  Descriptor fd_;
};

/// Whether a signal asks to come to an end.
[[nodiscard]] constexpr bool is_ending(int signal) noexcept {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

/// Stops our whole job as Ctrl-Z does; returns when it is continued.
void stop_job() noexcept;

/// Ends this process as Ctrl-C does, so that a shell ends the loop or the script it stands in too.
/// With `whole_group`, for a Ctrl-C that only the command saw, the same for our process group.
/// Returns if that fails.
void die_of_interrupt(bool whole_group) noexcept;

}  // namespace dlock::cli
