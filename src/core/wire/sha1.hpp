// SHA-1, for proofs that scripts compute too: they have no other digest.
#pragma once

#include <string>
#include <string_view>

namespace dlock::core {

/// 40 hexadecimal digits in lower case.
[[nodiscard]] std::string sha1_hex(std::string_view text);

}  // namespace dlock::core
