// Values that a RESP3 reader gave, as text to compare.
#pragma once

#include <string>

#include "redis/resp3.hpp"

namespace dlock::test {

/// The type's byte and the bytes of it, or the elements in brackets.
inline std::string text_of(const redis::resp3::Value& value) {
  std::string text{static_cast<char>(value.type())};
  if (!value.has_elements()) return text += value.text();
  text += '[';
  for (const auto element : value) {
    if (text.back() != '[') text += ' ';
    text += text_of(element);
  }
  return text += ']';
}

/// All values that are there, and why there are no more, each on a line.
inline std::string text_of_all(redis::resp3::Reader& reader) {
  std::string text;
  while (const auto value = reader.next()) text += text_of(*value) + '\n';
  if (!reader.problem().empty()) text += "problem: " + reader.problem() + '\n';
  return text;
}

}  // namespace dlock::test
