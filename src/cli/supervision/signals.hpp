// Signals: dlock reads them instead of obeying them.
#pragma once

#include <signal.h>

#include <optional>

#include "cli/supervision/descriptor.hpp"

namespace dlock::cli {

/// Blocks the signals, for this thread and all threads that it starts, and reads them from a
/// descriptor. Make it before any other thread. A signal that was ignored when dlock started
/// (nohup, a shell's background job) stays ignored, for dlock and for the command.
class Signals {
 public:
  /// Throws `std::system_error`.
  Signals();

  /// The descriptor is readable when a signal has come.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  struct Signal {
    int number = 0;
    bool was_sent = false;  ///< by another process; the kernel sends SIGCHLD when a child ends
  };
  /// Returns the next signal that has come, or none.
  [[nodiscard]] std::optional<Signal> take() noexcept;
  /// Performs the default action of a signal from `take`.
  void obey(int signal) const noexcept;
  /// Gives this thread the mask that dlock started with. Safe between fork and exec.
  void restore_mask() const noexcept { ::sigprocmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_{};
  Descriptor fd_;
};

/// Whether a signal asks a process to end.
[[nodiscard]] constexpr bool is_ending(int signal) noexcept {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

/// Stops dlock's whole process group as Ctrl-Z does; returns when it continues.
void stop_job() noexcept;

/// Ends dlock as Ctrl-C does, so that the shell also ends the loop or the script around it. With
/// `whole_group`, for a Ctrl-C that only the command received, ends dlock's whole process group.
/// Returns if that fails.
void die_of_interrupt(bool whole_group) noexcept;

}  // namespace dlock::cli
