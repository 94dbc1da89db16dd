// The controlling terminal.
#include "cli/supervision/terminal.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace dlock::cli {

Terminal::Terminal() : fd_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {}

bool Terminal::is_ours() const noexcept { return fd_ && ::tcgetpgrp(fd_.get()) == ::getpgrp(); }

bool Terminal::lend_at_once() const noexcept {
  struct stat out{};
  const bool into_pipe = ::fstat(STDOUT_FILENO, &out) == 0 && S_ISFIFO(out.st_mode);
  return fd_ && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp() && !into_pipe;
}

void Terminal::lend(pid_t group) const noexcept { (void)::tcsetpgrp(fd_.get(), group); }

bool Terminal::is_lent_to(pid_t group) const noexcept {
  return fd_ && ::tcgetpgrp(fd_.get()) == group;
}

void Terminal::take_back(pid_t group) const noexcept {
  if (!fd_) return;
  const pid_t now = ::tcgetpgrp(fd_.get());
  const bool gone = now > 1 && ::kill(-now, 0) != 0 && errno == ESRCH;
  if (now == group || gone) lend(::getpgrp());
}

}  // namespace dlock::cli
