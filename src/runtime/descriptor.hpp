// File descriptors that close themselves, pipes, and closing many at once.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "runtime/cancellation.hpp"

namespace dlock::runtime {

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

struct Pipe {
  Descriptor read, write;
};

/// Opens a pipe that is closed on exec, with more `flags` of pipe2(2). False: errno says why not.
[[nodiscard]] bool open_pipe(Pipe& pipe, int flags = 0) noexcept;

/// A second descriptor for the same file, at least `min`, closed on exec. None: errno says why not.
[[nodiscard]] Descriptor duplicate(const Descriptor& fd, int min) noexcept;

/// Gives the file at `path` a short name, which is good for as long as `directory` is open. False:
/// errno says why not.
[[nodiscard]] bool shorten(std::string& path, Descriptor& directory);

/// Closes all descriptors from `first` on, also where close_range() is refused. Safe between fork
/// and exec; not for a program with threads.
void close_from(int first) noexcept;

/// Lets exec(3) close the descriptors from `first` to `last`, or all from `first` on if `last` is
/// negative, also where close_range() is refused. Safe between fork and exec.
void close_on_exec(int first, int last) noexcept;

}  // namespace dlock::runtime
