// The clock of leases: it goes on while the machine sleeps.
#include "runtime/clock.hpp"

#include "runtime/boot_time.hpp"

namespace dlock::detail {

core::Instant now() noexcept { return core::Instant{runtime::boot_now()}; }

}  // namespace dlock::detail
