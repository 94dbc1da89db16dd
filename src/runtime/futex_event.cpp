// The semaphore behind a FutexEvent.
#include "runtime/futex_event.hpp"

namespace dlock::runtime {

std::uint32_t FutexEvent::await() {
  for (;;) {
    if (::sem_wait(&turns_) != 0) {
      continue;  // a signal handler ran
    }
    if (const auto what = raised_.exchange(0, std::memory_order_acquire); what != 0) {
      return what;
    }
  }
}

void FutexEvent::raise(std::uint32_t what) noexcept {
  raised_.store(what, std::memory_order_release);
  ::sem_post(&turns_);
}

}  // namespace dlock::runtime
