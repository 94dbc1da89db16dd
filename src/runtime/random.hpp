// Random bits.
#pragma once

#include <span>

#include "core/wire/token.hpp"

namespace dlock::runtime {

/// Bits from the operating system's random source, by one system call. None are kept for later:
/// machines that were resumed from one snapshot, and processes that were forked, would have the
/// same.
void draw(std::span<core::RandomBits> bits);
[[nodiscard]] inline core::RandomBits random_bits() { return core::bits_of(draw); }

}  // namespace dlock::runtime
