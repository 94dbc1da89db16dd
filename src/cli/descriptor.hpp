// File descriptors that close themselves, and those we were started with.
#pragma once

#include <unistd.h>

#include <utility>
#include <vector>

namespace dlock::cli {

/// Owns one file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read, write;
};

/// A pipe closed on exec. Throws `std::system_error`.
[[nodiscard]] Pipe make_pipe();

/// An eventfd, non-blocking and closed on exec. Throws `std::system_error`.
[[nodiscard]] Descriptor make_event();
/// Makes the event readable. Safe in any thread.
void notify(const Descriptor& event) noexcept;

/// Closes all from `first` on, also where close_range() is refused. Not for a program with threads.
void close_from(int first);

/// The descriptors open when it was made. The command inherits them and nothing that was opened
/// later, whoever opened it and however carelessly.
class InheritedDescriptors {
 public:
  /// To be made before anything is opened. Puts /dev/null (closed again on exec) where stdin,
  /// stdout or stderr is missing: else the next file opened would become our stderr.
  InheritedDescriptors();

  /// Closes all others on exec. Safe between fork and exec.
  void close_others_on_exec() const noexcept;

 private:
  std::vector<int> open_;  ///< ascending
};

}  // namespace dlock::cli
