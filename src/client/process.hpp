// What this process is: its clock, its randomness, its name for others, and whether it was forked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "core/token.hpp"

namespace dlock::detail {

/// CLOCK_BOOTTIME now.
[[nodiscard]] core::Instant now() noexcept;

/// Bits from the operating system's random source. None are kept for later: machines that were
/// resumed from one snapshot, and processes that were forked, would have the same.
[[nodiscard]] core::RandomBits random_bits();

/// How often this process came out of a fork: a number that differs between parent and child.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

/// `{"host":..,"pid":..,"program":..,"label":..}` for the registration of a client.
[[nodiscard]] std::string describe_self(std::string_view label);

}  // namespace dlock::detail
