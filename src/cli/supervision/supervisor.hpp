// The supervisor: from the start of the command to its end, signals and the loss of the lock
// included.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <chrono>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/supervision/command.hpp"
#include "cli/supervision/held.hpp"
#include "cli/supervision/process_tree.hpp"
#include "cli/supervision/signals.hpp"
#include "runtime/boot_time.hpp"

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
    std::string time_up;  ///< what to say when the lease ends; empty: it is renewed
    bool verbose = false;
  };

  Supervisor(pid_t command, const Held& held, Signals& signals, const Surroundings& around,
             Settings settings);
  /// If run() did not come to its end: kills all of the command, which nobody would look after.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Passes signals on, keeps the guard's deadline ahead, ends the command when the lock is lost,
  /// and returns when it has ended and been collected. When it was asked to end, by a signal or by
  /// the loss, or was killed, all that it started is gone then too.
  [[nodiscard]] Ending run();

 private:
  void wait_for_event(const Descriptor& lost);
  [[nodiscard]] runtime::BootTime next_look() const;
  void take_signals();
  void pass_on(Signals::Signal signal);
  void ask_to_end(int signal);
  void on_continued();
  void lend_terminal();
  void on_lost();
  void look_at_command();
  void on_stopped(int signal);
  void stop_too();
  void on_ended(const siginfo_t& info);
  void move_deadline();
  void kill_if_due();
  void kill_by(runtime::BootTime when);
  void kill_all();
  [[nodiscard]] std::vector<Process> processes() const;
  void tell_of_refused(std::span<const Process> refused);
  void collect();
  [[nodiscard]] bool is_over();

  pid_t command_;
  const Held& held_;
  Signals& signals_;
  const Surroundings& around_;
  Settings settings_;

  runtime::BootTime next_move_{};  ///< when to ask the lease again
  std::optional<runtime::BootTime> kill_at_;
  bool killed_ = false;
  bool gave_up_ = false;  ///< on what was killed and is not gone
  bool interrupt_came_ = false;
  bool asked_to_end_ = false;    ///< by a signal, or by who killed its first process
  std::set<pid_t> asked_;        ///< those outside of its group who were, one by one
  std::set<pid_t> refused_;      ///< those that run as another user
  bool wants_terminal_ = false;  ///< it was stopped because it has no terminal
  std::optional<siginfo_t> ended_;
  bool collected_ = false;
  Ending ending_;
};

}  // namespace dlock::cli
