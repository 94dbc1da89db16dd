// Waiting on a POSIX semaphore: unlike the standard's, a signal ends its wait.
#include "interrupts.hpp"

#include <nanobind/nanobind.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
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

bool Event::wait(std::optional<std::chrono::milliseconds> limit) {
  const auto start = monotonic_now();
  for (;;) {
    const auto now = monotonic_now();
    if (limit && now - start >= *limit) return ::sem_trywait(&semaphore_) == 0;
    if (GilGate::is_closed()) throw Cancelled(errc::cancelled, "the program is ending");
    const auto end = std::min(now + longest_wait, limit ? start + *limit : nanoseconds::max());
    const timespec until{.tv_sec = static_cast<time_t>(end.count() / 1'000'000'000),
                         .tv_nsec = static_cast<long>(end.count() % 1'000'000'000)};
    {
      const WithoutGil without_gil;
      if (::sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &until) == 0) return true;
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

void Event::wait_uninterrupted() noexcept {
  while (::sem_wait(&semaphore_) != 0 && errno == EINTR) {
  }
}

}  // namespace dlock::python
