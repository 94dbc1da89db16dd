// The clock of leases: it goes on while the machine sleeps.
#include "runtime/clock.hpp"

#include "runtime/boot_time.hpp"

namespace dlock::runtime {

core::Instant now() noexcept { return core::Instant{boot_now()}; }

}  // namespace dlock::runtime
