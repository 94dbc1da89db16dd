// The clock of leases.
#pragma once

#include "core/wire/time.hpp"

namespace dlock::detail {

/// CLOCK_BOOTTIME now.
[[nodiscard]] core::Instant now() noexcept;

}  // namespace dlock::detail
