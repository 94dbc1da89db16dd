// Gate: a condition variable, latch or barrier, at which clients wait without holding it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// A request to a gate.
struct Gate {
  Kind kind{};
  std::string call{};                    ///< the script's mode; empty: `wait` or `try`
  std::vector<std::string> arguments{};  ///< for that kind of gate
  Token token{};                         ///< the token that has `ticket` already, or empty
  std::string ticket{};
};

/// Whether the server remembers the tokens of its requests, so that a late copy does no harm.
[[nodiscard]] constexpr bool remembers(Kind kind) {
  return kind == Kind::latch || kind == Kind::barrier;
}

/// The key that stands in the place of the lock key. No lock has it, so a gate may have the name of
/// a lock.
[[nodiscard]] std::string gate_key(Kind kind, std::string_view key);

/// An error text: the gate at `key` has the number `actual`, another than the request.
[[nodiscard]] std::string disagreement(const Gate& gate, std::string_view key, std::int64_t actual);
/// An error text: the gate at `key` is broken.
[[nodiscard]] std::string broken(Kind kind, std::string_view key);

}  // namespace dlock::core
