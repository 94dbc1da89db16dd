// Output on stdout.
#pragma once

#include <string_view>

namespace dlock::cli {

/// Writes all of `text`. Returns the exit status: 0, or 74 (and a message) if stdout does not take
/// it.
[[nodiscard]] int print(std::string_view text) noexcept;

}  // namespace dlock::cli
