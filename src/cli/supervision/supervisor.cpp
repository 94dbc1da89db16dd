// The supervisor's event loop.
#include "cli/supervision/supervisor.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stop_token>
#include <utility>

#include "cli/text/duration.hpp"
#include "cli/text/message.hpp"
#include "cli/text/text.hpp"
#include "dlock/error.hpp"

namespace dlock::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto rest_poll = 20ms;       // between looks whether the other processes have ended
constexpr auto killed_poll = 2ms;      // ... after the kill: some start others fast
constexpr auto terminal_poll = 100ms;  // ... whether a shell brought dlock to the foreground
constexpr auto after_kill = 5s;        // limit for the end of killed processes
constexpr auto min_look = 5ms;
constexpr auto max_margin = 1100ms;  // a lease counts as lost at most this long before its end

std::string why_lost(const Held& held) {
  try {
    held.ensure_held();
  } catch (const Error& error) {
    return error.what();
  }
  return "its validity is about to end";
}

}  // namespace

Supervisor::Supervisor(pid_t command, const Held& held, Signals& signals,
                       const Surroundings& around, Settings settings)
    : command_(command),
      held_(held),
      signals_(signals),
      around_(around),
      settings_(std::move(settings)) {}

Supervisor::~Supervisor() {
  if (collected_) return;
  kill_all();
  around_.guard.leave();
  collect();
}

Ending Supervisor::run() {
  const Descriptor lost = make_event();
  const std::stop_callback on_loss{held_.lost(), [&] { notify(lost); }};
  move_deadline();
  while (!is_over()) {
    wait_for_event(lost);
    take_signals();
    if (held_.lost().stop_requested() && !ending_.lost) on_lost();
    look_at_command();
    if (wants_terminal_ && around_.terminal.is_ours()) lend_terminal();
    move_deadline();
    kill_if_due();
  }
  if (around_.guard.leave() && !ending_.lost) {
    ending_.lost = true;
    complain(
        "lost the lock {} while the command ran: dlock did not run in time, so its guard killed "
        "the "
        "command",
        settings_.lock);
  }
  collect();
  return ending_;
}

void Supervisor::collect() {
  while (::waitpid(command_, nullptr, 0) < 0 && errno == EINTR) {
  }
  collected_ = true;
  around_.terminal.take_back(command_);
}

void Supervisor::wait_for_event(const Descriptor& lost) {
  // The event stays readable after the loss: stop polling it.
  pollfd ready[] = {{signals_.fd(), POLLIN, 0}, {ending_.lost ? -1 : lost.get(), POLLIN, 0}};
  const auto left = std::max<runtime::BootTime>(next_look() - runtime::boot_now(), 0ns);
  const auto pause = runtime::to_timespec(left);
  (void)::ppoll(ready, 2, &pause, nullptr);
}

runtime::BootTime Supervisor::next_look() const {
  auto next = ending_.lost ? runtime::boot_now() + 1h : next_move_;
  if (kill_at_ && !killed_) next = std::min(next, *kill_at_);
  if (wants_terminal_)
    next = std::min<runtime::BootTime>(next, runtime::boot_now() + terminal_poll);
  if (ended_)
    next = std::min<runtime::BootTime>(next,
                                       runtime::boot_now() + (killed_ ? killed_poll : rest_poll));
  return next;
}

void Supervisor::take_signals() {
  while (const auto signal = signals_.take()) pass_on(*signal);
}

void Supervisor::pass_on(Signals::Signal signal) {
  if (signal.number == SIGCHLD) {
    look_after_children();  // also if somebody sent it: the kernel merges its own with that one
    if (!signal.was_sent) return;
  }
  if (signal.number == SIGCONT) on_continued();
  interrupt_came_ = interrupt_came_ || signal.number == SIGINT;
  asked_to_end_ = asked_to_end_ || is_ending(signal.number);
  ::kill(-command_, signal.number);
  if (is_ending(signal.number)) ask_to_end(signal.number);
}

void Supervisor::look_after_children() {
  if (around_.guard.has_ended()) {
    complain(
        "the guard of the lock {} was killed: if dlock is killed or stopped now, processes that "
        "the command started may go on beside the next holder",
        settings_.lock);
  }
  collect_orphans(std::array{command_, around_.guard.pid()});
}

// The command's group has the signal already. A process with another group or session gets it from
// its parent if that is a dlock, otherwise from here: only the topmost, which passes it on.
void Supervisor::ask_to_end(int signal) {
  const auto all = processes();
  const auto parent_of = [&all](const Process& process) {
    return std::ranges::find(all, process.parent, &Process::pid);
  };
  std::vector<Process> others;
  std::vector<Process> stopped;  // they cannot obey before SIGCONT
  for (const auto& process : all) {
    if (process.state == 'T') stopped.push_back(process);
    const auto parent = parent_of(process);
    const bool is_first = parent == all.end() || parent->group == command_;
    const bool is_asked_by_parent = parent != all.end() && parent->name == "dlock";
    if (process.group == command_ || !is_first || is_asked_by_parent) continue;
    if (asked_.insert(process.pid).second || signal != SIGTERM) others.push_back(process);
  }
  signal_all(others, signal);
  signal_all(stopped, SIGCONT);
}

// The shell sends SIGCONT for `fg`.
void Supervisor::on_continued() {
  if (wants_terminal_ && around_.terminal.is_ours()) lend_terminal();
}

// dlock has the terminal again, and lends it to the command. Some shells send no SIGCONT.
void Supervisor::lend_terminal() {
  wants_terminal_ = false;
  around_.terminal.lend(command_);
  ::kill(-command_, SIGCONT);
}

void Supervisor::on_lost() {
  ending_.lost = true;
  ::kill(-command_, SIGTERM);
  ask_to_end(SIGTERM);
  kill_by(std::min<runtime::BootTime>(runtime::boot_now() + settings_.kill_after,
                                      around_.guard.deadline()));
  const auto why = why_lost(held_);
  // At any earlier time, somebody broke the lock.
  const bool is_time_up = around_.guard.deadline() - runtime::boot_now() <= max_margin;
  if (!settings_.time_up.empty() && is_time_up) {
    complain("ending the command: its time under the lock {} is up ({})", settings_.lock,
             settings_.time_up);
  } else {
    complain("lost the lock {} while the command ran, ending the command: {}", settings_.lock, why);
  }
}

void Supervisor::look_at_command() {
  if (ended_) return;
  siginfo_t info{};
  // WNOWAIT leaves the command uncollected: until then no other group can have its number.
  const int ended = WEXITED | WNOHANG | WNOWAIT;
  if (::waitid(P_PID, static_cast<id_t>(command_), &info, ended) == 0 && info.si_pid != 0) {
    on_ended(info);
    return;
  }
  info = {};
  const int stopped = WSTOPPED | WNOHANG;
  if (::waitid(P_PID, static_cast<id_t>(command_), &info, stopped) == 0 && info.si_pid != 0) {
    on_stopped(info.si_status);
  }
}

void Supervisor::on_stopped(int signal) {
  if (signal == SIGTTIN || signal == SIGTTOU) {
    wants_terminal_ = !around_.terminal.is_ours();
    if (wants_terminal_) return;  // until the user brings dlock to the foreground
    around_.terminal.lend(command_);
    ::kill(-command_, SIGCONT);
  } else if (signal == SIGTSTP && around_.terminal.is_lent_to(command_)) {
    stop_too();
  }
}

// After Ctrl-Z the user's shell must see a stopped job. Nobody renews the lease meanwhile.
void Supervisor::stop_too() {
  note("stopped: dlock keeps the lock {} for {}, and then kills the command", settings_.lock,
       format_duration(held_.valid_for()));
  around_.terminal.take_back(command_);
  wants_terminal_ = true;
  stop_job();
}

void Supervisor::on_ended(const siginfo_t& info) {
  ended_ = info;
  const bool exited = info.si_code == CLD_EXITED;
  ending_.status = exited ? info.si_status : 128 + info.si_status;
  const bool lent = around_.terminal.is_lent_to(command_);
  const bool by_key = !exited && (info.si_status == SIGINT || info.si_status == SIGQUIT) &&
                      (lent || around_.terminal.is_ours());
  ending_.interrupted = by_key && info.si_status == SIGINT;
  ending_.unseen = lent && !interrupt_came_;
  const bool asked_before = asked_to_end_ || ending_.lost;
  // A killed command left its work undone, and nobody looks after the processes that it started. In
  // a container they die with dlock, which is after the lock is released.
  asked_to_end_ = asked_to_end_ || !exited || is_first_process();
  if (!asked_to_end_) return;
  kill_by(runtime::boot_now() + settings_.kill_after);
  if (!asked_before) ::kill(-command_, SIGTERM);
  std::vector<Process> others;
  for (const auto& process : processes()) {
    const bool has_own_group = process.group != command_;
    if (has_own_group && asked_.insert(process.pid).second) others.push_back(process);
  }
  signal_all(others, SIGTERM);
  if (!asked_before) ask_to_end(SIGTERM);  // continues stopped processes
}

void Supervisor::move_deadline() {
  if (ending_.lost || runtime::boot_now() < next_move_) return;
  const auto now = runtime::boot_now();
  const runtime::BootTime left = held_.valid_for();
  if (left > 0ns) around_.guard.set_deadline(now + left);
  // Looks often when the end is near, to see a late renewal in time.
  next_move_ = now + std::max<runtime::BootTime>(left / 4, min_look);
}

void Supervisor::kill_by(runtime::BootTime when) {
  kill_at_ = kill_at_ ? std::min(*kill_at_, when) : when;
}

void Supervisor::kill_if_due() {
  if (!kill_at_ || runtime::boot_now() < *kill_at_) return;
  if (!killed_) {
    if (settings_.verbose) note("killing what is left of the command");
    killed_ = true;
    kill_at_ = runtime::boot_now() + after_kill;
  } else {
    kill_at_ = runtime::boot_now() + 1h;  // the processes should have ended by now
    gave_up_ = true;
    for (const auto& process : processes()) {
      complain(
          "process {} ({}), which the command started, was killed and does not end: it may go on "
          "beside the next holder of the lock {}",
          process.pid, in_quotes(process.name), settings_.lock);
    }
  }
  kill_all();
}

void Supervisor::kill_all() {
  ::kill(-command_, SIGKILL);
  const auto find = [this](const auto& visit) {
    for_each_descendant(::getpid(), around_.guard.pid(), visit);
  };
  tell_of_refused(stop_and_kill(find, ::getpgrp()));
}

std::vector<Process> Supervisor::processes() const {
  return find_descendants(::getpid(), around_.guard.pid());
}

// Warns before the next holder can start.
void Supervisor::tell_of_refused(std::span<const Process> refused) {
  for (const auto& process : refused) {
    if (!refused_.insert(process.pid).second) continue;
    complain(
        "cannot end process {} ({}), which the command started and which runs as another "
        "user: it may go on beside the next holder of the lock {}",
        process.pid, in_quotes(process.name), settings_.lock);
  }
}

bool Supervisor::is_over() {
  if (!ended_) return false;
  if (!asked_to_end_ && !ending_.lost) return true;
  if (gave_up_) return true;
  const auto left = processes();
  if (killed_ && !left.empty()) kill_all();  // they started after the last kill
  return std::ranges::all_of(
      left, [this](const Process& process) { return refused_.contains(process.pid); });
}

}  // namespace dlock::cli
