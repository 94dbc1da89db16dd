// Random bits.
#pragma once

#include "core/wire/token.hpp"

namespace dlock::runtime {

/// Bits from the operating system's random source. None are kept for later: machines that were
/// resumed from one snapshot, and processes that were forked, would have the same.
[[nodiscard]] core::RandomBits random_bits();

}  // namespace dlock::runtime
