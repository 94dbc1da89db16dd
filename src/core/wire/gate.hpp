// Gate: what is waited at without being held: a condition variable, a latch, a barrier.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// What somebody wants of a gate.
struct Gate {
  Kind kind{};
  std::string call{};                    ///< what the script is to do; empty: `wait` or `try`
  std::vector<std::string> arguments{};  ///< of that kind of gate
  Token token{};                         ///< of who was told `ticket` already; else empty
  std::string ticket{};
};

/// Whether its requests remember their tokens, so that a late copy of one does no harm.
[[nodiscard]] constexpr bool remembers(Kind kind) {
  return kind == Kind::latch || kind == Kind::barrier;
}

/// The key in the place of the lock key. No user's lock has it, so a gate may have a lock's name.
[[nodiscard]] std::string gate_key(Kind kind, std::string_view key);

/// For people: why somebody is refused by the gate at `key`, which has the number `actual`.
[[nodiscard]] std::string disagreement(const Gate& gate, std::string_view key, std::int64_t actual);
/// For people: what it means that the gate at `key` is broken.
[[nodiscard]] std::string broken(Kind kind, std::string_view key);

}  // namespace dlock::core
