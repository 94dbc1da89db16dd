// Violation: a broken promise, which ends a simulation.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace dlock::sim {

/// `check` is a word to tell the promises apart.
struct Violation : std::runtime_error {
  Violation(std::string_view which, const std::string& what)
      : std::runtime_error("[" + std::string{which} + "] " + what), check(which) {}
  std::string check;
};

[[noreturn]] inline void fail(std::string_view check, const std::string& what) {
  throw Violation{check, what};
}

}  // namespace dlock::sim
