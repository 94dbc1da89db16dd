// Waiting in C++ for something that Ctrl-C may end.
#pragma once

#include <semaphore.h>

#include <chrono>
#include <optional>

namespace dlock::python {

/// Something that will be there. Any thread may `set()` it, once; one thread waits.
class Event {
 public:
  Event() noexcept { ::sem_init(&semaphore_, 0, 0); }
  ~Event() { ::sem_destroy(&semaphore_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set() noexcept { ::sem_post(&semaphore_); }
  /// Waits for `set()` without the GIL, which the caller has; at most for `limit`, and then returns
  /// false. Runs Python's signal handlers as they are due (in the main thread; in others there is
  /// nothing to run) and throws what they raise, as nb::python_error; `Cancelled` when the program
  /// ends.
  [[nodiscard]] bool wait(std::optional<std::chrono::milliseconds> limit);
  /// Waits for `set()`, whatever signals come. Without the GIL.
  void wait_uninterrupted() noexcept;

 private:
  ::sem_t semaphore_{};
};

}  // namespace dlock::python
