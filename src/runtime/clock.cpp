// The clock of leases: it goes on while the machine sleeps.
#include "runtime/clock.hpp"

#include <time.h>

namespace dlock::detail {

core::Instant now() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return core::Instant{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

}  // namespace dlock::detail
