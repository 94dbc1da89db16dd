// The supervisor's event loop.
#include "cli/supervisor.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <stop_token>
#include <utility>

#include "cli/message.hpp"
#include "cli/process_group.hpp"
#include "dlock/error.hpp"

namespace dlock::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto group_poll = 20ms;  // how often to look whether the rest of the group has ended
constexpr auto after_kill = 5s;    // how long a killed group may take to be gone
constexpr auto shortest_look = 5ms;

std::string why_lost(const Held& held) {
  try {
    held.ensure_held();
  } catch (const Error& error) {
    return explain(error);
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
  ::kill(-command_, SIGKILL);
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
    move_deadline();
    kill_if_due();
  }
  if (around_.guard.leave() && !ending_.lost) {
    ending_.lost = true;
    complain("lost the lock {} while the command ran: not looked after in time, it was killed",
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
  // Once lost, its event stays readable.
  pollfd ready[] = {{signals_.fd(), POLLIN, 0}, {ending_.lost ? -1 : lost.get(), POLLIN, 0}};
  const auto left = std::max<BootTime>(next_look() - boot_now(), 0ns);
  const auto pause = to_timespec(left);
  (void)::ppoll(ready, 2, &pause, nullptr);
}

BootTime Supervisor::next_look() const {
  auto next = ending_.lost ? boot_now() + 1h : next_move_;
  if (kill_at_ && !killed_) next = std::min(next, *kill_at_);
  if (ended_) next = std::min<BootTime>(next, boot_now() + group_poll);
  return next;
}

void Supervisor::take_signals() {
  while (const auto signal = signals_.take()) pass_on(*signal);
}

void Supervisor::pass_on(int signal) {
  if (signal == SIGCHLD) return;
  if (signal == SIGTSTP) {
    note("not stopped: a stopped command could not keep the lock {}", settings_.lock);
    return;
  }
  if (signal == SIGCONT) on_continued();
  interrupt_came_ = interrupt_came_ || signal == SIGINT;
  asked_to_end_ = asked_to_end_ || is_ending(signal);
  ::kill(-command_, signal);
}

void Supervisor::on_continued() {
  // The shell's `fg`: the terminal is ours again, and so the command's.
  if (wants_terminal_ && around_.terminal.is_ours()) {
    wants_terminal_ = false;
    around_.terminal.lend(command_);
  }
}

void Supervisor::on_lost() {
  ending_.lost = true;
  ::kill(-command_, SIGTERM);
  ::kill(-command_, SIGCONT);  // one that is stopped could not obey
  kill_by(std::min<BootTime>(boot_now() + settings_.kill_after, around_.guard.deadline()));
  complain("lost the lock {} while the command ran, ending it: {}", settings_.lock,
           why_lost(held_));
}

void Supervisor::look_at_command() {
  if (ended_) return;
  siginfo_t info{};
  // Not collected yet: while it is there its group's number cannot become another's.
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
    if (wants_terminal_) return;  // we are in the background: until the user brings us forward
    around_.terminal.lend(command_);
    ::kill(-command_, SIGCONT);
  } else if (signal == SIGTSTP && around_.terminal.is_lent_to(command_)) {
    note("continued: a stopped command could not keep the lock {}", settings_.lock);
    ::kill(-command_, SIGCONT);
  }
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
  asked_to_end_ = asked_to_end_ || by_key;
  if (asked_to_end_) kill_by(boot_now() + settings_.kill_after);
}

void Supervisor::move_deadline() {
  if (ending_.lost || boot_now() < next_move_) return;
  const auto now = boot_now();
  const BootTime left = held_.valid_for();
  if (left > 0ns) around_.guard.set_deadline(now + left);
  // Often when the end is near, so that a late renewal is seen in time.
  next_move_ = now + std::max<BootTime>(left / 4, shortest_look);
}

void Supervisor::kill_by(BootTime when) { kill_at_ = kill_at_ ? std::min(*kill_at_, when) : when; }

void Supervisor::kill_if_due() {
  if (killed_ || !kill_at_ || boot_now() < *kill_at_) return;
  if (settings_.verbose) note("killing what is left of the command");
  ::kill(-command_, SIGKILL);
  killed_ = true;
  kill_at_ = boot_now() + after_kill;
}

bool Supervisor::is_over() {
  if (!ended_) return false;
  if (!asked_to_end_ && !ending_.lost) return true;
  return !is_alive(command_) || (killed_ && boot_now() >= *kill_at_);
}

}  // namespace dlock::cli
