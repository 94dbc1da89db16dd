// File descriptors: pipes, events, and closing dlock's own in the command.
#include "cli/supervision/descriptor.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>

namespace dlock::cli {

Pipe make_pipe() {
  Pipe pipe;
  if (!runtime::open_pipe(pipe)) {
    throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
  }
  return pipe;
}

Descriptor make_event() {
  Descriptor event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
  return event;
}

void notify(const Descriptor& event) noexcept {
  const std::uint64_t one = 1;
  // The write fails only when the event is readable already.
  [[maybe_unused]] const auto written = ::write(event.get(), &one, sizeof one);
}

InheritedDescriptors::InheritedDescriptors() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd", problem}) {
    open_.push_back(std::stoi(entry.path().filename().string()));
  }
  // The descriptor that read the directory is closed by now.
  std::erase_if(open_, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });
  std::sort(open_.begin(), open_.end());
}

void InheritedDescriptors::close_others_on_exec() const noexcept {
  if (open_.empty()) return;  // without /proc: dlock opens its own with O_CLOEXEC anyhow
  int next = 0;
  for (const int fd : open_) {
    if (next < fd) runtime::close_on_exec(next, fd - 1);
    next = fd + 1;
  }
  runtime::close_on_exec(next, -1);
}

}  // namespace dlock::cli
