// The environment's variables, as users set them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dlock::runtime {

/// The value of a variable. None: it is not set.
[[nodiscard]] std::optional<std::string> variable(const char* name);

/// True for `yes`, `true`, `on` and `1`; false for `no`, `false`, `off` and `0`; none for anything
/// else.
[[nodiscard]] std::optional<bool> yes_or_no(std::string_view text) noexcept;

}  // namespace dlock::runtime
