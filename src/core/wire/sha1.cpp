// SHA-1 as of RFC 3174.
#include "core/wire/sha1.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dlock::core {
namespace {

constexpr std::size_t block_size = 64;
constexpr std::size_t length_size = 8;

/// Takes a text part by part.
class Hash {
 public:
  void add(std::string_view part) {
    while (!part.empty()) {
      const auto place = size_ % block_size;
      const auto count = std::min<std::size_t>(part.size(), block_size - place);
      std::copy_n(part.begin(), count, block_.begin() + place);
      size_ += count;
      part.remove_prefix(count);
      if (size_ % block_size == 0) mix_block();
    }
  }

  /// To be called once, at the end.
  Sha1 digest() {
    const std::uint64_t bits = size_ * 8;
    std::array<char, block_size + length_size> padding{'\x80'};
    const auto zeros = (2 * block_size - length_size - 1 - size_ % block_size) % block_size;
    put_number(&padding[1 + zeros], bits);
    add({padding.data(), 1 + zeros + length_size});
    Sha1 digest;
    char* to = digest.digits.data();
    for (const auto word : state_) {
      for (int shift = 28; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[word >> shift & 15];
    }
    return digest;
  }

 private:
  static void put_number(char* to, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) *to++ = static_cast<char>(number >> shift);
  }

  void mix_block() {
    std::array<std::uint32_t, 16> words;  // the last ones of 80
    std::memcpy(words.data(), block_.data(), block_size);
    for (auto& word : words) word = ntohl(word);
    auto [a, b, c, d, e] = state_;
    const auto rounds = [&](std::size_t first, std::uint32_t constant, auto mix) {
#pragma GCC unroll 20  // so that no place in `words` is computed, and no variable is moved
      for (std::size_t i = first; i < first + 20; ++i) {
        auto& word = words[i % 16];
        if (i >= 16) {
          word =
              std::rotl(words[(i - 3) % 16] ^ words[(i - 8) % 16] ^ words[(i - 14) % 16] ^ word, 1);
        }
        const auto next = std::rotl(a, 5) + mix(b, c, d) + e + word + constant;
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
      }
    };
    using Word = std::uint32_t;
    const auto choice = [](Word x, Word y, Word z) { return z ^ (x & (y ^ z)); };
    const auto parity = [](Word x, Word y, Word z) { return x ^ y ^ z; };
    const auto majority = [](Word x, Word y, Word z) { return (x & y) | (z & (x | y)); };
    rounds(0, 0x5a827999, choice);
    rounds(20, 0x6ed9eba1, parity);
    rounds(40, 0x8f1bbcdc, majority);
    rounds(60, 0xca62c1d6, parity);
    state_ = {state_[0] + a, state_[1] + b, state_[2] + c, state_[3] + d, state_[4] + e};
  }

  std::array<std::uint32_t, 5> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::array<char, block_size> block_;
  std::uint64_t size_ = 0;
};

}  // namespace

Sha1 sha1_of(std::initializer_list<std::string_view> parts) {
  Hash hash;
  for (const auto part : parts) hash.add(part);
  return hash.digest();
}

}  // namespace dlock::core
