// The eventfd behind an EventFd.
#include "runtime/event_fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/cancellation.hpp"

namespace dlock::runtime {

EventFd::EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) {
    throw std::system_error{errno, std::generic_category(), "eventfd"};
  }
}

EventFd::~EventFd() {
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  ::close(fd_);
}

void EventFd::notify() noexcept {
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  ::eventfd_write(fd_, 1);
}

void EventFd::clear() noexcept {
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  eventfd_t count = 0;
  ::eventfd_read(fd_, &count);
}

}  // namespace dlock::runtime
