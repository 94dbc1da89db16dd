/// @file
/// Looking at locks from outside: their holders and waiters, and taking a lock away by its fence.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/until.hpp"

namespace dlock {

/// A client as it registered itself. Fields are empty when its registration has expired, or when
/// another library holds the lock.
struct Party {
  std::string client;    ///< the client's id, 16 hexadecimal digits; empty: of another library
  std::string host;      ///< the name of its machine
  std::int64_t pid = 0;  ///< of its process, on that machine
  std::string program;   ///< the name of its program
  std::string label;     ///< `ClientOptions::label`
};

/// One client in a lock's queue (all threads of a client stand in a mutex's queue once).
struct WaiterInfo {
  Party party;                          ///< the waiter
  std::chrono::milliseconds waiting{};  ///< since it first asked, by the server's clock
  std::int64_t weight = 1;              ///< how many permits it wants
};

/// The kind of lock for which a name is in use.
enum class LockKind {
  none,          ///< not in use: nobody holds or waits
  mutex,         ///< `Mutex`, or another library's lock
  shared_mutex,  ///< `SharedMutex`
  semaphore,     ///< `Semaphore`
};

/// One holder. A `Mutex` has at most one.
struct HolderInfo {
  Party party;                                        ///< the holder
  std::string token;                                  ///< its `Lease::token()`
  std::int64_t fence = 0;                             ///< 0: not known
  std::int64_t weight = 1;                            ///< how many permits it has
  std::string role;                                   ///< in a `SharedMutex`: `reader`, `writer`,
                                                      ///< `upgradeable` or its `upgrade`
  std::chrono::milliseconds since{};                  ///< how long it has held it
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: it has no end
};

/// A lock as the server sees it. `token`, `fence`, `holder`, `since` and `ttl_left` are those of
/// the first of `holders`.
struct LockInfo {
  std::string name;                   ///< without the client's prefix
  LockKind kind = LockKind::none;     ///< the kind of lock
  bool held = false;                  ///< whether somebody holds it, or some of it
  bool foreign = false;               ///< held by another library: no fence, no party
  std::string token;                  ///< the key's value, without the fence
  std::int64_t fence = 0;             ///< 0: not known
  Party holder;                       ///< the holder
  std::chrono::milliseconds since{};  ///< how long it has been held, by the server's clock
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: the key has no expiry
  std::vector<HolderInfo> holders;                    ///< in order of their fences
  std::int64_t permits = 0;                           ///< how many there are; a mutex: 1
  std::int64_t used = 0;                              ///< the sum of the holders' weights
  std::vector<WaiterInfo> waiters;                    ///< in order of their turn
};

/// The locks of this client's prefix that are held by dlock or waited for, in order of name.
/// `pattern` is a glob, as for KEYS in Redis, over names without the prefix. Scans the key space in
/// small steps over a connection of its own, so the result is no snapshot of one moment. Throws
/// `Unreachable`, `Refused` or `StoreUnusable` when the store cannot be used.
[[nodiscard]] DLOCK_API std::vector<LockInfo> list_locks(Client& client,
                                                         std::string_view pattern = "*");

/// The lock `name`, free or held: also who holds it after a wait has timed out. A client that took
/// a free lock records its fence within a second, or when this function asks for it; if the client
/// is gone, the fence stays unknown, and this takes 1.2 s. Throws `UsageError` for an empty name,
/// and what `list_locks` throws.
[[nodiscard]] DLOCK_API LockInfo inspect_lock(Client& client, std::string_view name);

/// A `Latch` as the server sees it.
struct LatchInfo {
  std::string name;           ///< without the client's prefix
  std::int64_t count = 0;     ///< the initial count
  std::int64_t left = 0;      ///< the count that is left
  bool broken = false;        ///< a part ended without being counted down: waits end with `Broken`
  std::vector<Party> joined;  ///< the holders of parts that are not counted down yet
  std::vector<WaiterInfo> waiters;  ///< in order of their arrival
};

/// A `Barrier` as the server sees it.
struct BarrierInfo {
  std::string name;                 ///< without the client's prefix
  std::int64_t parties = 0;         ///< how many must arrive
  std::int64_t phase = 0;           ///< the present one; grows by one with each
  bool broken = false;              ///< waits end with `Broken`
  std::vector<Party> joined;        ///< the holders of parts
  std::vector<WaiterInfo> waiters;  ///< those that arrived; `waiting` is the time since the last
                                    ///< sign of life: after 15 s the barrier breaks
};

/// The latch `name`; none if nobody has used it yet, or not for long. Asks over a connection of its
/// own, and does not need to know the count. Throws what `inspect_lock` throws.
[[nodiscard]] DLOCK_API std::optional<LatchInfo> inspect_latch(Client& client,
                                                               std::string_view name);
/// The barrier `name`; none if nobody has used it yet, or not for long. Throws what `inspect_lock`
/// throws.
[[nodiscard]] DLOCK_API std::optional<BarrierInfo> inspect_barrier(Client& client,
                                                                   std::string_view name);

/// The outcome of `break_lock`.
enum class BreakOutcome {
  broken,      ///< that holder has it no more; the next in line goes on
  not_holder,  ///< no holder has that fence (any more); nothing was changed
};

/// Takes the lock from the holder that has `fence`, never from a later one. Asks the holder's
/// process first, which knows whether it has passed the lock on to another of its threads. If it
/// does not answer within `timeout`, the server's record decides. With `fence` 0 it takes the lock
/// from a holder that has recorded no fence and does not do so within `timeout`. Throws what
/// `inspect_lock` throws.
[[nodiscard]] DLOCK_API BreakOutcome break_lock(Client& client, std::string_view name,
                                                std::int64_t fence,
                                                Span timeout = std::chrono::seconds{1});

/// @name Text
/// One line for logs and for people, in which names, hosts and labels are escaped. The format may
/// change; programs read the members. @{

/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const Party& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const WaiterInfo& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(LockKind value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const HolderInfo& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const LockInfo& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const LatchInfo& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(const BarrierInfo& value);
/// One line that describes the value.
[[nodiscard]] DLOCK_API std::string to_string(BreakOutcome value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const Party& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const WaiterInfo& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const LockKind& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const HolderInfo& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const LockInfo& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const LatchInfo& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const BarrierInfo& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const BreakOutcome& value);
/// @}

}  // namespace dlock
