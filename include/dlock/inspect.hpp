// Looking at locks from outside: who holds, who waits, and taking one away by its fence.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/client.hpp"

namespace dlock {

/// A client as it registered itself; fields are empty when its registration has expired, or when
/// the lock is held by another library.
struct Party {
  std::string client;  ///< the client's id, 16 hexadecimal digits; empty: not one of ours
  std::string host;
  std::int64_t pid = 0;
  std::string program;
  std::string label;
};

/// One client in a lock's queue (threads of one client stand in it once).
struct WaiterInfo {
  Party party;
  std::chrono::milliseconds waiting{};  ///< since it first asked, by the server's clock
};

/// A lock as the server sees it.
struct LockInfo {
  std::string name;  ///< without the client's prefix
  bool held = false;
  bool foreign = false;  ///< held by another library: no fence, no party
  std::string token;     ///< what the key holds, without the fence
  std::int64_t fence = 0;
  Party holder;
  std::chrono::milliseconds since{};  ///< how long it has been held, by the server's clock
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: the key has no expiry
  std::vector<WaiterInfo> waiters;                    ///< in order of their turn
};

/// The locks of this client's prefix that are held by dlock or waited for, in order of name.
/// `pattern` is a glob as of Redis' KEYS over names without the prefix. Scans the key space in
/// small steps on a connection of its own; a snapshot of nothing in particular. Throws as `Mutex`.
[[nodiscard]] std::vector<LockInfo> list_locks(Client& client, std::string_view pattern = "*");

/// One lock. Throws as `Mutex`.
[[nodiscard]] LockInfo inspect_lock(Client& client, std::string_view name);

/// What became of `break_lock`.
enum class BreakOutcome {
  broken,      ///< that holder has it no more; the next in line goes on
  not_holder,  ///< nobody holds it by that fence (any more); nothing was changed
};

/// Takes the lock from the holder that has `fence`, never from a later one. The holder's process
/// is asked first, so that a lock passed on inside it is told apart; when it does not answer within
/// `patience` the server's record decides. Throws as `Mutex`.
[[nodiscard]] BreakOutcome break_lock(Client& client, std::string_view name, std::int64_t fence,
                                      std::chrono::milliseconds patience = std::chrono::seconds{1});

}  // namespace dlock
