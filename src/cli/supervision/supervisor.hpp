// Supervisor: watches the command until it ends, passes signals on, and ends it when the lock is
// lost.
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

/// How the command ended.
struct Ending {
  int status = 0;            ///< as a shell's $?: its exit status, or 128 + its signal
  bool lost = false;         ///< the lock was lost while it ran, and dlock or its guard ended it
  bool interrupted = false;  ///< by Ctrl-C at dlock's terminal ...
  bool unseen = false;       ///< ... which dlock's group, with the script around it, did not get
};

/// Watches a running command. Not thread-safe: for the thread that started the command.
class Supervisor {
 public:
  struct Settings {
    std::chrono::milliseconds kill_after{};  ///< from TERM to KILL
    std::string lock;                        ///< the names of the locks, for messages
    std::string time_up;  ///< the options that limit the lease; empty: it is renewed
    bool verbose = false;
  };

  Supervisor(pid_t command, const Held& held, Signals& signals, const Surroundings& around,
             Settings settings);
  /// Kills the command and all that it started if run() did not finish: nobody else watches them.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Passes signals on, moves the guard's deadline on, ends the command when the lock is lost, and
  /// returns when it has collected the ended command. After a signal, a loss, or the death of the
  /// command by a signal, it also ends all processes that the command started; so it does in a
  /// container of which dlock is the first process, whose end would kill them.
  [[nodiscard]] Ending run();

 private:
  void wait_for_event(const Descriptor& lost);
  [[nodiscard]] runtime::BootTime next_look() const;
  void take_signals();
  void pass_on(Signals::Signal signal);
  void look_after_children();
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
  bool gave_up_ = false;  ///< some processes were killed but did not end
  bool interrupt_came_ = false;
  bool asked_to_end_ = false;    ///< all processes that the command started have to end
  std::set<pid_t> asked_;        ///< processes outside of its group that dlock asked to end
  std::set<pid_t> refused_;      ///< processes that run as another user
  bool wants_terminal_ = false;  ///< the command stopped because it lacks the terminal
  std::optional<siginfo_t> ended_;
  bool collected_ = false;
  Ending ending_;
};

}  // namespace dlock::cli
