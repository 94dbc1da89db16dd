// A command with all its keys and arguments.
#pragma once

#include <string>

#include "core/wire/command.hpp"

namespace dlock::test {

/// Acquires, releases and renewals have their words apart; this puts them with the keys and
/// arguments.
[[nodiscard]] inline core::Command spelled_out(core::Command command) {
  const bool acquires = command.verb == core::Verb::acquire;
  if (const auto& words = command.lock; words && command.bare) {
    command.keys = {std::string{words->lock.text()}};
    command.args = {words->token.text()};
    if (acquires) {
      command.keys.push_back(std::string{words->lock.queue()});
      command.keys.emplace_back(words->fence_key());
      command.args.push_back(std::to_string(words->span_ms));
    }
  } else if (words) {
    const auto keys = words->lock.all();
    command.keys = {keys.lock, keys.queue, keys.seen, std::string{words->fence_key()}};
    command.args = {words->token.text()};
    if (acquires || words->span_ms != 0) {
      command.args.push_back(std::to_string(words->span_ms));
    }
    if (acquires) {
      const bool has_number = command.kind == core::Kind::permits || words->number != 0;
      command.args.insert(command.args.end(),
                          {std::string{words->mode}, words->ticket, words->old.text(),
                           has_number ? std::to_string(words->number) : std::string{}});
      if (words->seal) {
        command.args.emplace_back(core::Seal{*words->seal}.text());
      }
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
