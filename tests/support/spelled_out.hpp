// A command with all its keys and arguments.
#pragma once

#include <string>

#include "core/wire/command.hpp"

namespace dlock::test {

/// A command without a script and a renewal have their words apart; this puts them with the keys
/// and arguments.
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
  if (command.verb == core::Verb::renew && command.keys.size() == 1) {
    for (const auto& lease : command.renewals) {
      auto keys = lease.lock.all();
      command.keys.insert(command.keys.end(), {keys.lock, keys.queue, keys.seen});
      command.args.insert(command.args.end(), {lease.token.text(), std::to_string(lease.ttl_ms)});
      if (command.kind == core::Kind::mutex) {
        command.args.push_back(std::to_string(lease.sequence));
      }
      command.args.push_back(std::to_string(lease.counter));
    }
  }
  return command;
}

}  // namespace dlock::test
