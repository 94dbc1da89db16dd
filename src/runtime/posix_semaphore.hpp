// PosixSemaphore: a semaphore whose wait is a cancellation point, unlike that of std's.
#pragma once

#include <semaphore.h>

namespace dlock::runtime {

/// Begins at zero. Thread-safe.
class PosixSemaphore {
 public:
  PosixSemaphore() noexcept { ::sem_init(&semaphore_, 0, 0); }
  ~PosixSemaphore() { ::sem_destroy(&semaphore_); }
  PosixSemaphore(const PosixSemaphore&) = delete;
  PosixSemaphore& operator=(const PosixSemaphore&) = delete;

  void post() noexcept { ::sem_post(&semaphore_); }
  void wait() {
    while (::sem_wait(&semaphore_) != 0) {  // a signal handler ran
    }
  }

 private:
  ::sem_t semaphore_;
};

}  // namespace dlock::runtime
