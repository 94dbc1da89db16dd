// The RESP3 reader on its corpus, and on what a fixed seed makes of it: without libFuzzer, and
// always the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "support/checkout.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> inputs;
  for (const auto& entry :
       std::filesystem::directory_iterator(dlock::test::source_path("tests/fuzz/corpus/resp3"))) {
    std::ifstream file{entry.path(), std::ios::binary};
    inputs.emplace_back(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{});
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

void run(const std::string& input) {
  // Memory of exactly this size: a sanitizer sees each read beyond it.
  const std::vector<std::uint8_t> data{input.begin(), input.end()};
  LLVMFuzzerTestOneInput(data.data(), data.size());
}

TEST(Resp3Fuzz, TheCorpus) {
  const auto inputs = corpus();
  ASSERT_GT(inputs.size(), 20U);
  for (const auto& input : inputs) run(input);
}

TEST(Resp3Fuzz, MutationsOfTheCorpus) {
  const auto inputs = corpus();
  ASSERT_FALSE(inputs.empty());
  constexpr std::string_view alphabet = "$+-:_#,(!=*%~>|?;.0123456789tf\r\n";
  std::mt19937 random{4711};  // NOLINT(cert-msc51-cpp): the same numbers each time
  const auto below = [&](std::size_t bound) { return random() % bound; };
  for (int i = 0; i < 50'000; ++i) {
    auto input = inputs[below(inputs.size())];
    for (auto changes = 1 + below(4); changes > 0 && !input.empty(); --changes) {
      const auto at = below(input.size());
      const char byte =
          below(8) == 0 ? static_cast<char>(random()) : alphabet[below(alphabet.size())];
      switch (below(4)) {
        case 0:
          input[at] = byte;
          break;
        case 1:
          input.insert(at, 1, byte);
          break;
        case 2:
          input.erase(at, 1 + below(4));
          break;
        default:
          input.insert(at, inputs[below(inputs.size())]);
      }
    }
    run(input);
  }
}

}  // namespace
