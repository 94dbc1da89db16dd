// SHA-1, by the examples of RFC 3174 and of the lengths at which a block is full.
#include "core/wire/sha1.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace dlock::core {
namespace {

std::string sha1_hex(std::string_view text) { return std::string{sha1_of({text}).text()}; }

TEST(Sha1, IsWhatOthersMakeOfIt) {
  EXPECT_EQ(sha1_hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(sha1_hex(std::string(1000000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(Sha1, KnowsWhereABlockEnds) {
  EXPECT_EQ(sha1_hex(std::string(55, 'x')), "cef734ba81a024479e09eb5a75b6ddae62e6abf1");
  EXPECT_EQ(sha1_hex(std::string(56, 'x')), "901305367c259952f4e7af8323f480d59f81335b");
  EXPECT_EQ(sha1_hex(std::string(63, 'x')), "0ddc4e0cccd9a12850deb5abb0853a4425559fec");
  EXPECT_EQ(sha1_hex(std::string(64, 'x')), "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163");
  EXPECT_EQ(sha1_hex(std::string(65, 'x')), "78c741ddc482e4cdf8c474a0876347a0905b6233");
  EXPECT_EQ(sha1_hex(std::string(119, 'x')), "4300320394f7ee239bcdce7d3b8bcee173a0cd5c");
  EXPECT_EQ(sha1_hex(std::string(120, 'x')), "ceb2821639c4b6dcb10bce0e522ca2e608ce056d");
}

TEST(Sha1, OfPartsIsThatOfTheWhole) {
  std::string whole;
  for (char digit = '0'; whole.size() < 300; digit = digit == '9' ? '0' : digit + 1) whole += digit;
  const std::string_view text{whole};
  for (std::size_t first = 0; first <= 130; ++first) {
    for (const std::size_t second : {0, 1, 63, 64, 65, 130}) {
      EXPECT_EQ(
          sha1_of({text.substr(0, first), text.substr(first, second), text.substr(first + second)})
              .text(),
          sha1_hex(text))
          << first << ' ' << second;
    }
  }
}

}  // namespace
}  // namespace dlock::core
