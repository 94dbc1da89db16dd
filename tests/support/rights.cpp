// Reads the minimal rights out of the documentation.
#include "support/rights.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "support/checkout.hpp"

namespace dlock::test {

namespace {

std::string block_of(const std::string& text, std::string_view name) {
  const auto head = "<!-- test: rights " + std::string{name} + " -->\n```text\n";
  const auto begin = text.find(head);
  const auto end = text.find("```", begin + head.size());
  if (begin == text.npos || end == text.npos) throw std::runtime_error("no list: " + head);
  return text.substr(begin + head.size(), end - begin - head.size());
}

}  // namespace

std::vector<std::string> documented_rights(std::initializer_list<std::string_view> names) {
  std::ifstream file{source_path("docs/protocol.md")};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  std::vector<std::string> words;
  for (const auto name : names) {
    std::istringstream block{block_of(text, name)};
    for (std::string word; block >> word;) {
      if (std::string_view{"+~&"}.find(word[0]) != std::string_view::npos) words.push_back(word);
    }
  }
  return words;
}

bool rights_are_enforced() {
  const char* value = std::getenv("DLOCK_TEST_ACL");
  return value != nullptr && std::string_view{value} == "1";
}

std::vector<std::string> config_of_rights() {
  // Names without a common start; this is also all that dlock keeps beside them.
  std::string rights = " ~*";
  for (const auto& word : documented_rights({"client", "blocks", "watch", "reconnect", "quorum",
                                             "candidate", "inspect", "database"})) {
    if (word[0] != '~') rights += " " + word;
  }
  return {"user default reset on nopass resetkeys resetchannels -@all" + rights,
          "user test reset on nopass ~* &* +@all", "masteruser test", "masterauth any"};
}

}  // namespace dlock::test
