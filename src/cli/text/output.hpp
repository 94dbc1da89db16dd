// Output on stdout.
#pragma once

#include <string_view>

namespace dlock::cli {

/// Writes all of `text`. Returns the exit status: 0, or 74 after a message that the write failed.
[[nodiscard]] int print(std::string_view text) noexcept;

}  // namespace dlock::cli
