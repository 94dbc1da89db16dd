// RawTerminal: the controlling terminal as a full screen: each key at once, no echo.
#include "runtime/raw_terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <new>
#include <system_error>

namespace dlock::runtime {

namespace {

// The other buffer of the screen; no cursor; no jump to the next line behind the last column.
constexpr std::string_view to_screen = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view from_screen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

constexpr int leave_patience_ms = 500;

}  // namespace

TerminalSize terminal_size(int fd) noexcept {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

RawTerminal::RawTerminal() : fd_(::open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot open the terminal");
}

RawTerminal::~RawTerminal() { leave(); }

bool RawTerminal::enter() noexcept {
  if (!is_raw_ && ::tcgetattr(fd_.get(), &before_) != 0) return false;
  termios raw = before_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd_.get(), TCSADRAIN, &raw) != 0) return false;
  is_raw_ = true;
  return write(to_screen, -1);
}

void RawTerminal::leave() noexcept {
  if (!is_raw_) return;
  is_raw_ = false;
  (void)write(from_screen, -1);
  ::tcsetattr(fd_.get(), TCSANOW, &before_);
}

bool RawTerminal::is_foreground() const noexcept {
  const pid_t group = ::tcgetpgrp(fd_.get());
  return group < 0 || group == ::getpgrp();
}

bool RawTerminal::read(std::string& keys) noexcept {
  std::array<char, 512> some{};
  const auto count = ::read(fd_.get(), some.data(), some.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  try {
    keys.append(some.data(), static_cast<std::size_t>(count));
  } catch (const std::bad_alloc&) {
    return false;
  }
  return count > 0;
}

bool RawTerminal::write(std::string_view text, int wake) noexcept {
  while (!text.empty()) {
    const auto count = ::write(fd_.get(), text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    std::array<pollfd, 2> ready{{{fd_.get(), POLLOUT, 0}, {wake, POLLIN, 0}}};
    const int found = ::poll(ready.data(), ready.size(), wake < 0 ? leave_patience_ms : -1);
    if (ready[1].revents != 0 || (found == 0 && wake < 0)) return true;
    if ((ready[0].revents & (POLLERR | POLLHUP)) != 0) return false;
  }
  return true;
}

}  // namespace dlock::runtime
