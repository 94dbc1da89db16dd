// Text from strangers: lock names and labels are bytes, made safe to show and of known width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/wire/text.hpp"

namespace dlock::cli {

using core::Character;
using core::first_character;
using core::is_utf8;

/// `text` for a terminal: `core::escaped`, and a backslash as `\\`.
[[nodiscard]] std::string printable(std::string_view text);

/// `printable` in single quotes, cut to about `most` columns: for messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t most = 80);

/// `printable` text cut to at most `most` columns, with `...` at the end where something is
/// missing.
[[nodiscard]] std::string shortened(std::string printable_text, std::size_t most);

/// How many columns it takes, at one a character.
[[nodiscard]] std::size_t columns(std::string_view printable_text) noexcept;

}  // namespace dlock::cli
