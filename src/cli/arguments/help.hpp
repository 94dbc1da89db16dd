// Help texts.
#pragma once

#include <string>
#include <string_view>

namespace dlock::cli {

/// Returns the help of a subcommand, or that of dlock for an empty or unknown name.
[[nodiscard]] std::string help_text(std::string_view command);

}  // namespace dlock::cli
