// Gate: its key and its error texts.
#include "core/wire/gate.hpp"

namespace dlock::core {

namespace {

std::string_view word_for(Kind kind) {
  switch (kind) {
    case Kind::latch:
      return "latch";
    case Kind::barrier:
      return "barrier";
    default:
      return "condition";
  }
}

std::string named(Kind kind, std::string_view key) {
  return std::string{"the "}.append(word_for(kind)).append(" at the key \"").append(key) + "\"";
}

}  // namespace

std::string gate_key(Kind kind, std::string_view key) {
  return std::string{token_prefix}.append(word_for(kind)).append(":").append(key);
}

std::string disagreement(const Gate& gate, std::string_view key, std::int64_t actual) {
  const auto number = std::to_string(actual);
  return named(gate.kind, key) + " was made with " +
         (gate.kind == Kind::latch ? "a count of " + number
                                   : number + (actual == 1 ? " party" : " parties")) +
         ", this client says " + gate.arguments.at(0) +
         ": use the same number everywhere, or another name";
}

std::string broken(Kind kind, std::string_view key) {
  return kind == Kind::latch
             ? named(kind, key) +
                   " is broken: a part of it ended without being counted down, somebody deleted "
                   "it, or the server lost its data"
             : named(kind, key) +
                   " is broken: a party died, left or stopped waiting, somebody reset it, or the "
                   "server lost its data";
}

}  // namespace dlock::core
