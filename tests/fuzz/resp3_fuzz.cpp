// What libFuzzer calls: the RESP3 reader must not care where its input is cut. The first byte of
// the data says how.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "support/resp3_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dlock::redis::resp3::Reader;
  if (size == 0) return 0;
  const std::string_view input{reinterpret_cast<const char*>(data) + 1, size - 1};

  Reader whole;
  whole.feed(input);
  const auto expected = dlock::test::text_of_all(whole);

  Reader pieces;
  std::string text;
  unsigned cuts = data[0];
  for (std::size_t at = 0; at < input.size() && pieces.problem().empty();) {
    const std::size_t length = 1 + cuts % 7;
    cuts = cuts * 13 + 5;
    pieces.feed(input.substr(at, length));
    text += dlock::test::text_of_all(pieces);
    at += length;
  }
  if (text != expected) {
    std::fprintf(stderr, "whole:\n%s\nin pieces:\n%s\n", expected.c_str(), text.c_str());
    std::abort();
  }
  return 0;
}
