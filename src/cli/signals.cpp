// Signals: blocking and reading them.
#include "cli/signals.hpp"

#include <sys/signalfd.h>

#include <cerrno>
#include <system_error>

namespace dlock::cli {

namespace {

constexpr int passed_on[] = {SIGTERM, SIGINT,  SIGHUP,   SIGQUIT, SIGUSR1,
                             SIGUSR2, SIGCONT, SIGWINCH, SIGTSTP};

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// Sends `signal` to `target`, which we are part of, and obeys it at once.
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
  // Inherited as ignored it would hide how the command ended.
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t read;
  sigemptyset(&read);
  sigaddset(&read, SIGCHLD);
  for (const int signal : passed_on) {
    if (!is_ignored(signal)) sigaddset(&read, signal);
  }
  sigset_t blocked = read;
  sigaddset(&blocked, SIGTTOU);  // else handing over the terminal stops us
  sigaddset(&blocked, SIGPIPE);  // a closed stderr is no reason to let go of the lock
  ::sigprocmask(SIG_BLOCK, &blocked, &former_);
  fd_ = Descriptor{::signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot make a signalfd");
}

std::optional<int> Signals::take() noexcept {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

void Signals::obey(int signal) const noexcept { obey_by_default(signal, ::getpid()); }

void die_of_interrupt(bool whole_group) noexcept {
  obey_by_default(SIGINT, whole_group ? 0 : ::getpid());
}

}  // namespace dlock::cli
