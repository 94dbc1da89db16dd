// Wake: ends another thread's poll().
#pragma once

namespace dlock::detail {

/// An eventfd. Thread-safe. Nothing but to make one is a cancellation point.
class Wake {
 public:
  /// Throws std::system_error when there are no descriptors left.
  Wake();
  ~Wake();
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  /// Makes `fd()` readable.
  void notify() noexcept;
  /// Makes it unreadable again.
  void clear() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace dlock::detail
