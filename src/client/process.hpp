// What this process is: its clock, its randomness, its name for others, and whether it was forked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "core/token.hpp"

namespace dlock::detail {

/// CLOCK_BOOTTIME now.
[[nodiscard]] core::Instant now() noexcept;

/// Bits from the operating system's random source, fetched for many draws at once. Not thread-safe,
/// and not to be used on both sides of a fork.
class RandomBits {
 public:
  [[nodiscard]] core::RandomBits draw();

 private:
  std::array<core::RandomBits, 32> stock_{};
  std::size_t left_ = 0;
};

/// How often this process came out of a fork: a number that differs between parent and child.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

/// `{"host":..,"pid":..,"program":..,"label":..}` for the registration of a client.
[[nodiscard]] std::string describe_self(std::string_view label);

}  // namespace dlock::detail
