/// @file
/// Looking at locks from outside: who holds, who waits, and taking one away by its fence.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/until.hpp"

namespace dlock {

/// A client as it registered itself; fields are empty when its registration has expired, or when
/// the lock is held by another library.
struct Party {
  std::string client;    ///< the client's id, 16 hexadecimal digits; empty: not one of ours
  std::string host;      ///< the name of its machine
  std::int64_t pid = 0;  ///< of its process, on that machine
  std::string program;   ///< the name of what runs there
  std::string label;     ///< `ClientOptions::label`
};

/// One client in a lock's queue (threads of one client stand in that of a `Mutex` once).
struct WaiterInfo {
  Party party;                          ///< who waits
  std::chrono::milliseconds waiting{};  ///< since it first asked, by the server's clock
  std::int64_t weight = 1;              ///< how many permits it wants
};

/// What a name is in use as.
enum class LockKind {
  none,          ///< nothing now: nobody holds or waits
  mutex,         ///< `Mutex`, or another library's lock
  shared_mutex,  ///< `SharedMutex`
  semaphore,     ///< `Semaphore`
};

/// One holder. A `Mutex` has one at most.
struct HolderInfo {
  Party party;                                        ///< who holds
  std::string token;                                  ///< as `Lease::token`
  std::int64_t fence = 0;                             ///< 0: not known
  std::int64_t weight = 1;                            ///< how many permits it has
  std::string role;                                   ///< in a `SharedMutex`: `reader`, `writer`,
                                                      ///< `upgradeable` or its `upgrade`
  std::chrono::milliseconds since{};                  ///< as `LockInfo::since`
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: it has no end
};

/// A lock as the server sees it. `token`, `fence`, `holder`, `since` and `ttl_left` are those of
/// the first of `holders`.
struct LockInfo {
  std::string name;                   ///< without the client's prefix
  LockKind kind = LockKind::none;     ///< what it is
  bool held = false;                  ///< whether somebody holds it, or some of it
  bool foreign = false;               ///< held by another library: no fence, no party
  std::string token;                  ///< what the key holds, without the fence
  std::int64_t fence = 0;             ///< 0: not known
  Party holder;                       ///< who holds
  std::chrono::milliseconds since{};  ///< how long it has been held, by the server's clock
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: the key has no expiry
  std::vector<HolderInfo> holders;                    ///< in order of their fences
  std::int64_t permits = 0;                           ///< how many there are; a mutex: 1
  std::int64_t used = 0;                              ///< the sum of the holders' weights
  std::vector<WaiterInfo> waiters;                    ///< in order of their turn
};

/// The locks of this client's prefix that are held by dlock or waited for, in order of name.
/// `pattern` is a glob as of Redis' KEYS over names without the prefix. Scans the key space in
/// small steps on a connection of its own; a snapshot of nothing in particular. Throws as `Mutex`.
[[nodiscard]] DLOCK_API std::vector<LockInfo> list_locks(Client& client,
                                                         std::string_view pattern = "*");

/// One lock. Throws as `Mutex`.
[[nodiscard]] DLOCK_API LockInfo inspect_lock(Client& client, std::string_view name);

/// A `Latch` as the server sees it.
struct LatchInfo {
  std::string name;           ///< without the client's prefix
  std::int64_t count = 0;     ///< with which it was made
  std::int64_t left = 0;      ///< how many of these are to be counted down yet
  bool broken = false;        ///< a part ended without being counted down: waits end with `Broken`
  std::vector<Party> joined;  ///< whose parts are there, not counted down yet
  std::vector<WaiterInfo> waiters;  ///< in order of their arrival
};

/// A `Barrier` as the server sees it.
struct BarrierInfo {
  std::string name;                 ///< without the client's prefix
  std::int64_t parties = 0;         ///< how many must arrive
  std::int64_t phase = 0;           ///< the present one; grows by one with each
  bool broken = false;              ///< who arrives now gets `Broken`
  std::vector<Party> joined;        ///< whose parts are there
  std::vector<WaiterInfo> waiters;  ///< who has arrived; `waiting`: since it was last heard of,
                                    ///< after 15 s it breaks the barrier
};

/// None: nobody has used it yet, or not for long. On a connection of its own; needs not to know the
/// count. Throws as `Mutex`.
[[nodiscard]] DLOCK_API std::optional<LatchInfo> inspect_latch(Client& client,
                                                               std::string_view name);
/// The same of a barrier.
[[nodiscard]] DLOCK_API std::optional<BarrierInfo> inspect_barrier(Client& client,
                                                                   std::string_view name);

/// What became of `break_lock`.
enum class BreakOutcome {
  broken,      ///< that holder has it no more; the next in line goes on
  not_holder,  ///< nobody holds it by that fence (any more); nothing was changed
};

/// Takes the lock from the holder that has `fence`, never from a later one. The holder's process
/// is asked first, so that a lock passed on inside it is told apart; when it does not answer within
/// `patience` the server's record decides. Throws as `Mutex`.
[[nodiscard]] DLOCK_API BreakOutcome break_lock(Client& client, std::string_view name,
                                                std::int64_t fence,
                                                Span patience = std::chrono::seconds{1});

}  // namespace dlock
