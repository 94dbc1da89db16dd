// Untrusted text: lock names and labels are bytes, which these functions make safe to show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/wire/text.hpp"

namespace dlock::cli {

using core::Character;
using core::first_character;
using core::is_utf8;

/// Escapes `text` for a terminal, as `core::escaped` does, and writes a backslash as `\\`.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns `printable` text in single quotes, cut to about `most` columns, for messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t most = 80);

/// Cuts `printable` text to at most `most` columns; `...` at the end marks a cut.
[[nodiscard]] std::string shortened(std::string printable_text, std::size_t most);

/// Returns the number of columns that a terminal gives the text: two for each character of East
/// Asian scripts and each emoji, none for an accent that combines with the character before it.
[[nodiscard]] std::size_t columns(std::string_view printable_text) noexcept;

}  // namespace dlock::cli
