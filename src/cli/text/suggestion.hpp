// What somebody may have meant who typed a subcommand that there is not.
#pragma once

#include <string>
#include <string_view>

namespace dlock::cli {

/// What to type instead, as a sentence without its end: a command that is spelled alike, or one
/// that does what other programs call by that word.
[[nodiscard]] std::string suggestion_for(std::string_view command);

}  // namespace dlock::cli
