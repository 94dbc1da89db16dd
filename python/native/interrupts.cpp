// Waiting on a futex: unlike the waits of the standard library, a signal ends it, on any C library.
#include "interrupts.hpp"

#include <linux/futex.h>
#include <nanobind/nanobind.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <dlock/error.hpp>

#include "border.hpp"

namespace dlock::python {
namespace {

namespace nb = nanobind;
using std::chrono::nanoseconds;

// A signal that comes just before the wait does not end it: it is seen so much later. So is the end
// of the program.
constexpr nanoseconds longest_wait = std::chrono::milliseconds{200};

nanoseconds monotonic_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + nanoseconds{now.tv_nsec};
}

}  // namespace

void Event::set() noexcept {
  is_set_.store(1, std::memory_order_release);  // from now on it may be gone
  ::syscall(SYS_futex, &is_set_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// Until it is set, a signal has come, or the monotonic clock shows `until`.
void Event::sleep(const timespec* until) noexcept {
  ::syscall(SYS_futex, &is_set_, FUTEX_WAIT_BITSET_PRIVATE, 0, until, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

bool Event::wait(std::optional<std::chrono::milliseconds> limit) {
  const auto start = monotonic_now();
  for (;;) {
    const auto now = monotonic_now();
    if (limit && now - start >= *limit) return is_set();
    if (GilGate::is_closed()) throw Cancelled(errc::cancelled, "the program is ending");
    const auto end = std::min(now + longest_wait, limit ? start + *limit : nanoseconds::max());
    const timespec until{.tv_sec = static_cast<time_t>(end.count() / 1'000'000'000),
                         .tv_nsec = static_cast<long>(end.count() % 1'000'000'000)};
    {
      const WithoutGil without_gil;
      sleep(&until);
    }
    if (is_set()) return true;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

void Event::wait_uninterrupted() noexcept {
  while (!is_set()) sleep(nullptr);
}

}  // namespace dlock::python
