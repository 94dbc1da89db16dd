// Tokens and fences: a token names a holder, and fences order the holders.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/wire/time.hpp"

namespace dlock::core {

inline constexpr std::string_view token_prefix = "dlock1:";
inline constexpr std::size_t token_client_at = 7;
inline constexpr std::size_t token_random_at = 24;
inline constexpr std::size_t token_claim_at = 57;

/// 128 random bits; in the product, from the operating system.
using RandomBits = std::array<std::uint64_t, 2>;

/// Gives each of them fresh bits. One call for many is cheaper than many calls.
using RandomSource = std::function<void(std::span<RandomBits>)>;
[[nodiscard]] inline RandomBits bits_of(const RandomSource& source) {
  RandomBits bits{};
  source({&bits, 1});
  return bits;
}

/// The random part of a token, which differs between any two. Zeros if the text is no token.
[[nodiscard]] inline RandomBits random_of(std::string_view token) {
  static constexpr std::uint8_t none = 16;
  static constexpr auto values = [] {
    std::array<std::uint8_t, 256> by_byte{};
    by_byte.fill(none);
    for (std::uint8_t digit = 0; digit < 10; ++digit) by_byte['0' + digit] = digit;
    for (std::uint8_t digit = 10; digit < 16; ++digit) by_byte['a' + digit - 10] = digit;
    return by_byte;
  }();
  if (token.size() < token_claim_at) {
    return {};
  }
  RandomBits random{};
  unsigned all = 0;
  const char* from = token.data() + token_random_at;
  for (auto& half : random) {
    for (int i = 0; i < 16; ++i) {
      const auto value = values[static_cast<unsigned char>(*from++)];
      half = half << 4 | value;
      all |= value;
    }
  }
  return all < none ? random : RandomBits{};
}

/// `dlock1:CLIENT:RANDOM:CLAIM`: 16 and 32 hexadecimal digits and the claim time in milliseconds;
/// for permits with `:WEIGHT` behind it. Fresh for each acquisition. Scripts read the parts by
/// their fixed positions. Kept in place, since each acquisition copies it some times.
class Token {
 public:
  static constexpr std::size_t max_size = 95;

  Token() noexcept = default;
  /// A longer text is none of this library, and gives an empty token.
  Token(std::string_view text) noexcept : Token(text, random_of(text)) {}
  Token(std::string_view text, RandomBits random) noexcept : random_(random) {
    if (text.size() <= max_size) {
      std::copy(text.begin(), text.end(), text_.begin());
      size_ = static_cast<std::uint8_t>(text.size());
    }
  }

  operator std::string_view() const noexcept { return {text_.data(), size_}; }
  [[nodiscard]] std::string text() const { return std::string{std::string_view{*this}}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Its random part.
  [[nodiscard]] const RandomBits& random() const noexcept { return random_; }

  friend bool operator==(const Token& a, const Token& b) noexcept {
    return std::string_view{a} == std::string_view{b};
  }
  friend bool operator==(const Token& a, std::string_view b) noexcept {
    return std::string_view{a} == b;
  }

 private:
  RandomBits random_{};
  std::array<char, max_size> text_{};
  std::uint8_t size_ = 0;
};

[[nodiscard]] inline const RandomBits& random_of(const Token& token) { return token.random(); }

/// Writes 16 hexadecimal digits, and returns their end.
inline char* put_hex(char* to, std::uint64_t bits) {
  static constexpr auto pairs = [] {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> by_byte{};
    for (std::size_t byte = 0; byte < by_byte.size(); ++byte) {
      by_byte[byte] = {digits[byte / 16], digits[byte % 16]};
    }
    return by_byte;
  }();
  for (int shift = 56; shift >= 0; shift -= 8, to += 2) {
    const auto& pair = pairs[bits >> shift & 255];
    std::copy(pair.begin(), pair.end(), to);
  }
  return to;
}

[[nodiscard]] inline std::string hex(std::uint64_t bits) {
  std::string text(16, '0');
  put_hex(text.data(), bits);
  return text;
}

/// `weight`: of an acquisition of permits; 0: of a mutex.
[[nodiscard]] inline Token make_token(std::string_view client, RandomBits random, Duration claim,
                                      std::int64_t weight = 0) {
  constexpr std::size_t max_number = 20;
  std::array<char, token_claim_at + 2 * (1 + max_number)> text;
  char* to = std::copy(token_prefix.begin(), token_prefix.end(), text.begin());
  client = client.substr(0, token_random_at - token_client_at - 1);
  to = std::copy(client.begin(), client.end(), to);
  *to++ = ':';
  to = put_hex(put_hex(to, random[0]), random[1]);
  const auto put_number = [&](std::int64_t number) {
    *to++ = ':';
    to = std::to_chars(to, to + max_number, number).ptr;
  };
  put_number(std::chrono::duration_cast<std::chrono::milliseconds>(claim).count());
  if (weight != 0) {
    put_number(weight);
  }
  return {std::string_view{text.data(), to}, random};
}

/// The seal proves messages about a lock: two numbers that a client must read the lock key to know.
class Seal {
 public:
  explicit Seal(RandomBits random) {
    char* const last = text_.data() + text_.size();
    char* end = std::to_chars(text_.data(), last, (random[0] >> 11) | 1).ptr;
    *end++ = '.';
    size_ = static_cast<std::size_t>(std::to_chars(end, last, (random[1] >> 11) | 1).ptr -
                                     text_.data());
  }
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, 41> text_{};
  std::size_t size_;
};

/// The first bytes of a script's reply, by which the client notices a shifted reply.
[[nodiscard]] inline std::string_view echo_of(std::string_view token) {
  return token.substr(token_random_at, 8);
}

/// The id of the client in a token or a lock's value.
[[nodiscard]] inline std::string_view client_of(std::string_view token) {
  return token.substr(token_client_at, 16);
}

/// A fencing token has two parts: the server's counter, and the number of hand-offs inside one
/// process since.
struct Fence {
  std::int64_t counter = 0;
  int sequence = 0;

  static constexpr int max_sequences = 64;
  [[nodiscard]] std::int64_t number() const { return counter * max_sequences + sequence; }
  static Fence of(std::int64_t number) {
    return {number / max_sequences, static_cast<int>(number % max_sequences)};
  }
};

/// The value of a mutex's lock key: `TOKEN:COUNTER:SEQUENCE`, with marks for scripts before the
/// counter; or `TOKEN` or `TOKEN:` and marks, of a lease whose fence is not recorded yet.
struct LockValue {
  std::string token;
  std::optional<Fence> fence;
};

/// None for a value that another library wrote.
[[nodiscard]] std::optional<LockValue> parse_value(std::string_view value);

/// A number and nothing else.
template <class Number>
[[nodiscard]] bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// A count or a time of the server: not negative, and small enough to be exact in scripts.
[[nodiscard]] inline bool parse_exact(std::string_view text, std::int64_t& number) {
  constexpr std::size_t max_digits = 16;
  if (text.empty() || text.size() > max_digits) {
    return false;
  }
  std::int64_t value = 0;
  for (const char byte : text) {
    const auto digit = static_cast<unsigned char>(byte - '0');
    if (digit > 9) {
      return false;
    }
    value = 10 * value + digit;
  }
  number = value;
  return value < (std::int64_t{1} << 53);
}

/// The claim time in a token; none if the text is no token.
[[nodiscard]] inline std::optional<Duration> claim_of(std::string_view token) {
  std::int64_t claim_ms = 0;
  if (token.size() <= token_claim_at) {
    return std::nullopt;
  }
  const auto rest = token.substr(token_claim_at);
  if (!parse_exact(rest.substr(0, rest.find(':')), claim_ms)) {
    return std::nullopt;
  }
  return std::chrono::milliseconds{claim_ms};
}

/// The weight in a token; none for a mutex.
[[nodiscard]] inline std::optional<std::int64_t> weight_of(std::string_view token) {
  const auto colon = token.find(':', std::min(token.size(), token_claim_at));
  std::int64_t weight = 0;
  if (colon == std::string_view::npos || !parse_exact(token.substr(colon + 1), weight)) {
    return std::nullopt;
  }
  return weight;
}

}  // namespace dlock::core
