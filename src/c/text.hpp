// Texts that belong to C, to be freed by dlock_text_free().
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace dlock::c {

inline char* copy_of(const std::string& text) {
  auto* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) {
    throw std::bad_alloc{};
  }
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace dlock::c
