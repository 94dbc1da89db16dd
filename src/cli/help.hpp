// Help texts.
#pragma once

#include <string>
#include <string_view>

namespace dlock::cli {

/// The help of a subcommand; of dlock itself for the empty name and any other.
[[nodiscard]] std::string help_text(std::string_view command);

}  // namespace dlock::cli
