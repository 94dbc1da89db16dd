// Signals: blocking and reading them.
#include "cli/supervision/signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace dlock::cli {

namespace {

// An ignored signal stays ignored, and a handler (a sanitizer's) stays in place.
bool is_default(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

// Sends `signal` to `target`, which includes dlock, and obeys it at once.
void obey_by_default(int signal, pid_t target) noexcept {
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigset_t before;
  sigemptyset(&only);
  sigaddset(&only, signal);
  ::kill(target, signal);
  ::sigprocmask(SIG_UNBLOCK, &only, &before);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

Signals::Signals() {
  // An inherited SIG_IGN would hide how the command ended.
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t read;
  sigemptyset(&read);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    // A fault in dlock still ends it: the kernel delivers its signal even when blocked.
    const bool can_be = signal != SIGKILL && signal != SIGSTOP;
    if (can_be && is_default(signal)) sigaddset(&read, signal);
  }
  sigset_t blocked = read;
  sigaddset(&blocked, SIGTTOU);  // it would stop dlock when that lends the terminal
  sigaddset(&blocked, SIGPIPE);  // a closed stderr is no reason to release the lock
  ::sigprocmask(SIG_BLOCK, &blocked, &former_);
  fd_ = Descriptor{::signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot make a signalfd");
}

std::optional<Signals::Signal> Signals::take() noexcept {
  signalfd_siginfo info{};
  for (;;) {
    if (::read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
    const auto number = static_cast<int>(info.ssi_signo);
    const bool by_us = info.ssi_pid == static_cast<std::uint32_t>(::getpid());
    if (number == SIGPIPE && by_us) continue;  // dlock wrote to a closed stderr
    return Signal{number, info.ssi_code <= 0 && !by_us};
  }
}

void Signals::obey(int signal) const noexcept { obey_by_default(signal, ::getpid()); }

void stop_job() noexcept { obey_by_default(SIGTSTP, 0); }

void die_of_interrupt(bool whole_group) noexcept {
  obey_by_default(SIGINT, whole_group ? 0 : ::getpid());
}

}  // namespace dlock::cli
