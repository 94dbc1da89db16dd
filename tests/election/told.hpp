// The changes that an observer of an election reports, in words.
#pragma once

#include <optional>
#include <string>

#include "dlock/leader_observer.hpp"

namespace dlock::test {

/// "elected V", "proclaimed V", "vacant"; "nothing" if nothing came.
inline std::string told(const std::optional<LeaderChange>& change) {
  using Kind = LeaderChange::Kind;
  if (!change) return "nothing";
  if (change->kind == Kind::vacant) return "vacant";
  return (change->kind == Kind::elected ? "elected " : "proclaimed ") + change->leader.value;
}

}  // namespace dlock::test
