// Listener: with RESP2, the second of two connections to a server, which subscribes.
//
// A client that speaks RESP2 cannot be told of messages between replies, so it listens on a
// connection of its own. To the user of both, they are one connection: a subscription has its turn
// among the replies, and no command goes out before the server confirmed the subscriptions that
// were asked for before it. Otherwise a script could queue a waiter that does not listen yet, and
// the next one would drop it.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "redis/buffer.hpp"
#include "redis/connection.hpp"
#include "redis/stream.hpp"

namespace dlock::redis {

/// Not thread-safe. It asks its server now and then whether it is there: one that is silent for
/// some seconds is a problem of the stream.
class Listener {
 public:
  /// Takes a socket over that leads to the server of the other connection.
  Listener(int fd, const Endpoint& endpoint, Deadline deadline) : stream_(fd, endpoint, deadline) {}

  [[nodiscard]] Stream& stream() noexcept { return stream_; }
  [[nodiscard]] const Stream& stream() const noexcept { return stream_; }

  /// A command for this connection, and not for the other.
  [[nodiscard]] static bool takes(std::span<const std::string_view> fields) {
    return fields[0] == "SSUBSCRIBE";
  }
  void subscribe(std::span<const std::string_view> fields);
  /// Where commands for the other connection go that have that many replies: into `output`, unless
  /// a subscription is not confirmed yet.
  [[nodiscard]] Buffer& room_for(std::size_t replies, Buffer& output);
  /// Puts the commands into `output` that need not wait any more. Returns whether there were any.
  bool release(Buffer& output);

  /// Delivers the messages that were read.
  void deliver_messages(Receiver& receiver);
  /// Whether the next reply comes from the other connection.
  [[nodiscard]] bool is_turn_of_other() const {
    return subscriptions_.empty() || subscriptions_.front().replies_before > 0;
  }
  void on_reply_of_other();
  /// Delivers the answer to a subscription whose turn it is. False: there is none.
  bool deliver_answer(Receiver& receiver);

  /// Subscribes and waits for the answer, for a connection that is not shared. None: see the
  /// stream's problem.
  [[nodiscard]] std::optional<resp3::Value> call(std::span<const std::string_view> fields,
                                                 Deadline deadline);

 private:
  struct Subscription {
    std::size_t replies_before = 0;  ///< of the other connection
    bool is_answered = false;
    bool is_refused = false;
    std::string answer{};
  };

  void ask_whether_it_is_there();

  Stream stream_;
  std::deque<Subscription> subscriptions_;  ///< whose answers were not delivered
  std::size_t unanswered_ = 0;              ///< of these
  std::size_t replies_after_ = 0;           ///< of the other connection, after these
  std::deque<bool> asked_;  ///< for each answer that the server owes: to a subscription, or a PING
  Buffer held_;             ///< commands for the other connection
  std::chrono::steady_clock::time_point pinged_at_ = std::chrono::steady_clock::now();
  bool is_heard_ = true;  ///< since then
};

}  // namespace dlock::redis
