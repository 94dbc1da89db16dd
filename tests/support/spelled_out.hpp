// A command with all its keys and arguments.
#pragma once

#include <string>

#include "core/wire/command.hpp"

namespace dlock::test {

/// A command without a script has its words apart; this puts them with the keys and arguments.
[[nodiscard]] inline core::Command spelled_out(core::Command command) {
  if (const auto& bare = command.bare) {
    command.keys = {std::string{bare->lock.text()}};
    command.args = {bare->token.text()};
    if (command.verb == core::Verb::acquire) {
      command.keys.push_back(std::string{bare->lock.queue()});
      command.keys.emplace_back(bare->fence_key);
      command.args.push_back(std::to_string(bare->ttl_ms));
    }
  }
  return command;
}

}  // namespace dlock::test
