// Script: a Lua script of this folder, as a server gets it.
#pragma once

#include <string_view>

namespace dlock::script {

/// Those of src/script are constants of script/scripts.hpp, which CMake makes.
struct Script {
  std::string_view text;       ///< begins with a line `#!lua`, which not all servers understand
  std::string_view sha;        ///< the digest by which EVALSHA calls it
  std::string_view plain_sha;  ///< the same without that line

  /// The text without its first line.
  [[nodiscard]] constexpr std::string_view plain() const {
    return text.substr(text.find('\n') + 1);
  }
};

}  // namespace dlock::script
