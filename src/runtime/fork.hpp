// Whether this process came out of a fork.
#pragma once

#include <cstdint>

namespace dlock::runtime {

/// How often this process came out of a fork: a number that differs between parent and child.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

}  // namespace dlock::runtime
