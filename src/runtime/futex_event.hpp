// FutexEvent: ends the sleep of one thread, which needs no mutex to wake.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <cstdint>

namespace dlock::runtime {

/// For one sleeper. Whoever raises it does not touch it afterwards, so that the one who is woken
/// may destroy it at once.
class FutexEvent {
 public:
  FutexEvent() noexcept { ::sem_init(&turns_, 0, 0); }
  ~FutexEvent() { ::sem_destroy(&turns_); }
  FutexEvent(const FutexEvent&) = delete;
  FutexEvent& operator=(const FutexEvent&) = delete;

  /// Sleeps until it is raised, and takes it back. Returns what was raised. A cancellation point.
  std::uint32_t await();
  /// `what` is not zero.
  void raise(std::uint32_t what) noexcept;

 private:
  std::atomic<std::uint32_t> raised_{0};
  ::sem_t turns_;
};

}  // namespace dlock::runtime
