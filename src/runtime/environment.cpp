// The environment's variables.
#include "runtime/environment.hpp"

#include <cstdlib>

namespace dlock::runtime {

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
}

std::optional<bool> yes_or_no(std::string_view text) noexcept {
  for (const std::string_view yes : {"yes", "true", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"no", "false", "off", "0"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace dlock::runtime
