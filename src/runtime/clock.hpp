// The clock of leases.
#pragma once

#include "core/wire/time.hpp"

namespace dlock::runtime {

/// CLOCK_BOOTTIME now.
[[nodiscard]] core::Instant now() noexcept;

}  // namespace dlock::runtime
