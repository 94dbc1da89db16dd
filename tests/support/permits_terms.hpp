// The terms in tokens of permits, and the times of the scripts.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "support/model_queue.hpp"

namespace dlock::test {

inline constexpr Micros waiter_life = std::chrono::seconds{15};
inline constexpr Micros waiter_refresh = std::chrono::seconds{4};
inline constexpr Millis max_claim = std::chrono::seconds{3};
inline constexpr Millis queue_life = std::chrono::seconds{20};
inline constexpr Millis linger = std::chrono::seconds{1};
inline constexpr int max_at_once = 64;
inline constexpr std::int64_t of_a_reader_writer_lock = std::int64_t{1} << 30;
// As Redis 7.0 puts it.
inline constexpr auto no_right =
    "ERR The user executing the script can't publish to the channel mentioned in the command";

inline std::string echo_of(const std::string& token) { return token.substr(24, 8); }

inline std::string channel_of(const std::string& token) {
  return "dlock1:c:" + token.substr(7, 16);
}

struct Terms {
  Millis claim{};
  std::int64_t weight = 0;
};

// The terms in a token; none for that of a mutex.
inline std::optional<Terms> terms_of(const std::string& token) {
  std::int64_t claim = 0;
  Terms terms;
  const char* const begin = token.data() + std::min<std::size_t>(token.size(), 57);
  const char* const end = token.data() + token.size();
  const auto [middle, no_claim] = std::from_chars(begin, end, claim);
  if (no_claim != std::errc{} || middle == end || *middle != ':') {
    return std::nullopt;
  }
  const auto [last, no_weight] = std::from_chars(middle + 1, end, terms.weight);
  if (no_weight != std::errc{} || last != end) {
    return std::nullopt;
  }
  terms.claim = std::min(max_claim, Millis{claim});
  return terms;
}

}  // namespace dlock::test
