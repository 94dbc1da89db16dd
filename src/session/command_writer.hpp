// CommandWriter: a command of the protocol as Redis understands it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/wire/command.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Not thread-safe. It keeps its memory from command to command.
class CommandWriter {
 public:
  /// Appends `command` to the output of a connection.
  void append(const core::Command& command, redis::Connection& to);

 private:
  static void append_block(const core::LockCommand& words, redis::Connection& to);
  static void append_delete(const core::LockCommand& words, bool whole, redis::Connection& to);
  void append_acquire(const core::Command& command, redis::Connection& to);
  void append_release(const core::Command& command, redis::Connection& to);
  void append_renewals(const core::Command& command, redis::Connection& to);

  std::vector<std::string_view> fields_;
  std::string seen_;
};

}  // namespace dlock::detail
