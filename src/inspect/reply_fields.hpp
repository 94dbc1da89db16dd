// The fields of the replies of scripts that only look: numbers, times of the server, tokens.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "core/wire/token.hpp"

namespace dlock::detail {

/// 0 if it is not a number.
[[nodiscard]] inline std::int64_t integer(std::string_view text) {
  std::int64_t number = 0;
  return core::parse_number(text, number) ? number : 0;
}

/// From a time of the server's clock in microseconds to `now_us`. Never negative: the clock of a
/// counter may be ahead.
[[nodiscard]] inline std::chrono::milliseconds span_from(std::int64_t begin_us,
                                                         std::int64_t now_us) {
  const std::chrono::microseconds span{std::max<std::int64_t>(0, now_us - begin_us)};
  return std::chrono::duration_cast<std::chrono::milliseconds>(span);
}

[[nodiscard]] inline bool is_token(std::string_view text) {
  return text.starts_with(core::token_prefix) && text.size() > core::token_claim_at;
}

}  // namespace dlock::detail
