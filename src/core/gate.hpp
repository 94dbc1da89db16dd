// Gate: what is waited at without being held: a condition variable, a latch, a barrier.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/keys.hpp"
#include "core/token.hpp"

namespace dlock::core {

/// What somebody wants of a gate.
struct Gate {
  Kind kind{};
  std::string call{};                    ///< what the script is to do; empty: `wait` or `try`
  std::vector<std::string> arguments{};  ///< of that kind of gate
  Token token{};                         ///< of who was told `ticket` already; else empty
  std::string ticket{};
};

[[nodiscard]] constexpr bool is_gate(Kind kind) {
  return kind != Kind::mutex && kind != Kind::permits;
}

/// The key in the place of the lock key. No user's lock has it, so a gate may have a lock's name.
[[nodiscard]] std::string gate_key(Kind kind, std::string_view key);

}  // namespace dlock::core
