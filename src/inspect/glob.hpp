// Glob patterns as of Redis' KEYS, for what the server cannot match itself.
#pragma once

#include <string>
#include <string_view>

namespace dlock::detail {

/// Whether all of `text` matches: `*` any bytes, `?` one, `[a-c]`, `[^a-c]`, `\` takes the next
/// character as it is.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);

/// The pattern that matches `text` alone.
[[nodiscard]] std::string escape_glob(std::string_view text);

}  // namespace dlock::detail
