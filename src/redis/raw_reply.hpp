// Raw replies: what hiredis parsed, sorted into replies to our commands and pushes.
#pragma once

#include <hiredis/hiredis.h>

#include <memory>
#include <string_view>

#include "redis/connection.hpp"

namespace dlock::redis {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RawReply = std::unique_ptr<redisReply, FreeReply>;

/// Ends a connection whose replies are nested too deep: hiredis, and who walks through them, go
/// down them by recursion.
void limit_depth(redisReader& reader);

/// The bytes of a string, status, error, double or push kind; empty for all else.
[[nodiscard]] std::string_view text_of(const redisReply& reply);

/// The whole reply as a tree of our own.
[[nodiscard]] Reply tree_of(const redisReply& reply);

/// Whether it answers a command of ours: all but pushes, and the push that confirms SSUBSCRIBE.
[[nodiscard]] bool is_reply(const redisReply& reply);

/// Gives it to the member of `receiver` that it is for.
void deliver(const redisReply& reply, Receiver& receiver);

}  // namespace dlock::redis
