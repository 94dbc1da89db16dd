// BlockReplies: the replies to an acquire without a script.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/wire/command.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Makes one reply of those to MULTI, to the four commands that it queues, and to EXEC.
class BlockReplies {
 public:
  /// Takes the next one. Returns whether it was the last.
  [[nodiscard]] bool add(const redis::ReplyView& reply);
  /// All but the last as nearly every block has them, in the server's spelling. `add_usual` takes
  /// them together, before any other.
  static constexpr std::string_view usual = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";
  void add_usual() {
    has_begun_ = true;
    count_ = 5;
  }
  [[nodiscard]] bool is_empty() const { return count_ == 0; }

  /// What the last one means, to be called with it. If it has an error, `error` is to be
  /// classified; the server has run nothing then.
  [[nodiscard]] core::Reply result(const redis::ReplyView& last, std::string& error);

  /// Whether the connection is still in the block: the server refused to end it.
  [[nodiscard]] bool is_stuck() const { return is_stuck_; }

 private:
  void note_error(std::string_view text);

  std::size_t count_ = 0;
  bool has_begun_ = false;
  bool is_refused_ = false;
  bool is_stuck_ = false;
  std::string error_;  ///< the first
};

}  // namespace dlock::detail
