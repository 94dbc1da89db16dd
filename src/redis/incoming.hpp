// What a server sends, sorted into replies to our commands and pushes.
#pragma once

#include "redis/connection.hpp"
#include "redis/resp3.hpp"

namespace dlock::redis {

/// The whole reply as a tree of its own.
[[nodiscard]] Reply tree_of(const resp3::Value& value);

/// Whether it answers a command of ours: all but pushes, and the push that confirms SSUBSCRIBE.
[[nodiscard]] bool is_reply(const resp3::Value& value);

/// Gives it to the member of `receiver` that it is for.
void deliver(const resp3::Value& value, Receiver& receiver);

}  // namespace dlock::redis
