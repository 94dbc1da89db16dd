// The futex behind a Signal.
#include "client/signal.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dlock::detail {

std::uint32_t Signal::await() noexcept {
  for (;;) {
    if (const auto what = raised_.exchange(0, std::memory_order_acquire); what != 0) {
      return what;
    }
    ::syscall(SYS_futex, &raised_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
}

void Signal::raise(std::uint32_t what) noexcept {
  raised_.store(what, std::memory_order_release);
  // The sleeper may be gone by now; then this wakes nobody, or somebody who looks and sleeps again.
  ::syscall(SYS_futex, &raised_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace dlock::detail
