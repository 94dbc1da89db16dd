// SHA-1, for proofs that scripts compute too: they have no other digest.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

namespace dlock::core {

/// 40 hexadecimal digits in lower case.
struct Sha1 {
  std::array<char, 40> digits;
  [[nodiscard]] std::string_view text() const noexcept { return {digits.data(), digits.size()}; }
};

/// The digest of the text that `parts` make together.
[[nodiscard]] Sha1 sha1_of(std::initializer_list<std::string_view> parts);

}  // namespace dlock::core
