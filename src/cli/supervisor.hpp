// The supervisor: from the start of the command to its end, signals and the loss of the lock
// included.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <chrono>
#include <optional>
#include <string>

#include "cli/boot_time.hpp"
#include "cli/command.hpp"
#include "cli/held.hpp"
#include "cli/signals.hpp"

namespace dlock::cli {

/// How the command came to its end.
struct Ending {
  int status = 0;            ///< as a shell's $?: its exit status, or 128 + its signal
  bool lost = false;         ///< the lock was lost while it ran, and it was told to end
  bool interrupted = false;  ///< by Ctrl-C at our terminal ...
  bool unseen = false;       ///< ... which our own group, a script we stand in, did not see
};

/// Watches over a running command. Not thread-safe: for the thread that started it.
class Supervisor {
 public:
  struct Settings {
    std::chrono::milliseconds kill_after{};  ///< from TERM to KILL
    std::string lock;                        ///< as messages call it, or them
    bool verbose = false;
  };

  Supervisor(pid_t command, const Held& held, Signals& signals, const Surroundings& around,
             Settings settings);
  /// If run() did not come to its end: kills the whole group, which nobody would look after.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Passes signals on, keeps the guard's deadline ahead, ends the group when the lock is lost, and
  /// returns when the command has ended and been collected. When it was asked to end, by a signal
  /// or by the loss, also the rest of its group is gone then.
  [[nodiscard]] Ending run();

 private:
  void wait_for_event(const Descriptor& lost);
  [[nodiscard]] BootTime next_look() const;
  void take_signals();
  void pass_on(int signal);
  void on_continued();
  void on_lost();
  void look_at_command();
  void on_stopped(int signal);
  void on_ended(const siginfo_t& info);
  void move_deadline();
  void kill_if_due();
  void kill_by(BootTime when);
  void collect();
  [[nodiscard]] bool is_over();

  pid_t command_;
  const Held& held_;
  Signals& signals_;
  const Surroundings& around_;
  Settings settings_;

  BootTime next_move_{};  ///< when to ask the lease again
  std::optional<BootTime> kill_at_;
  bool killed_ = false;
  bool interrupt_came_ = false;
  bool asked_to_end_ = false;    ///< an ending signal went to the whole group
  bool wants_terminal_ = false;  ///< it was stopped because it has no terminal
  std::optional<siginfo_t> ended_;
  bool collected_ = false;
  Ending ending_;
};

}  // namespace dlock::cli
