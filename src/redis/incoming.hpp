// The input from a server, sorted into replies to commands and pushes.
#pragma once

#include "redis/connection.hpp"
#include "redis/resp3.hpp"

namespace dlock::redis {

/// The whole reply as a tree of its own.
[[nodiscard]] Reply tree_of(const resp3::Value& value);

/// Whether it answers a command. Pushes do not, except for the one that confirms SSUBSCRIBE.
[[nodiscard]] bool is_reply(const resp3::Value& value);

/// Calls the member of `receiver` for this kind of value.
void deliver(const resp3::Value& value, Receiver& receiver);

}  // namespace dlock::redis
