// The eventfd behind a Wake.
#include "client/wake.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace dlock::detail {

Wake::Wake() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) {
    throw std::system_error{errno, std::generic_category(), "eventfd"};
  }
}

Wake::~Wake() { ::close(fd_); }

void Wake::notify() noexcept { ::eventfd_write(fd_, 1); }

void Wake::clear() noexcept {
  eventfd_t count = 0;
  ::eventfd_read(fd_, &count);
}

}  // namespace dlock::detail
