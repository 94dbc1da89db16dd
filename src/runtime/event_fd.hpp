// EventFd: ends another thread's poll().
#pragma once

namespace dlock::runtime {

/// An eventfd. Thread-safe. Only the constructor is a cancellation point.
class EventFd {
 public:
  /// Throws std::system_error when there are no descriptors left.
  EventFd();
  ~EventFd();
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  /// Makes `fd()` readable.
  void notify() noexcept;
  /// Makes it unreadable again.
  void clear() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace dlock::runtime
