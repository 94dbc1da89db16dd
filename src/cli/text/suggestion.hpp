// Suggestions for a user who typed an unknown subcommand.
#pragma once

#include <string>
#include <string_view>

namespace dlock::cli {

/// Returns a sentence, without a full stop, that says what to type instead: a command with a
/// similar spelling, or the one for which other programs use that word.
[[nodiscard]] std::string suggestion_for(std::string_view command);

}  // namespace dlock::cli
