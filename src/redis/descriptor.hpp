// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

#include "redis/cancellation.hpp"

namespace dlock::redis {

/// Owns one file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.give_up()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.give_up());
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int give_up() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    const int former = std::exchange(fd_, fd);
    if (former < 0) return;
    const Cancellation none{PTHREAD_CANCEL_DISABLE};
    ::close(former);
  }

 private:
  int fd_ = -1;
};

}  // namespace dlock::redis
