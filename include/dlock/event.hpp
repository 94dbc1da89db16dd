/// @file
/// Event: something that happened to a lock of this client, for logs and tracers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dlock/export.h"
#include "dlock/stats.hpp"

namespace dlock {

struct LockInfo;

/// Something that happened to a lock of this client. Each acquisition is followed by one end:
/// `released` or `lost`.
struct Event {
  /// What happened.
  enum class Kind : std::uint8_t {
    acquired,   ///< a lease began
    waiting,    ///< a wait has lasted for `ClientOptions::slow_wait`
    released,   ///< a lease was released; the server confirmed it, or will learn of it later
    lost,       ///< a lease ended while it was still wanted
    timed_out,  ///< a wait ended because its limit passed
    deadlock,   ///< a wait ended as part of a ring of waits, or would have waited for itself
    elected,    ///< this client leads an election; follows `acquired`
    deposed,    ///< it leads no more, since it resigned or lost the lease; precedes that event
  };
  Kind kind{};                               ///< what happened
  std::string name;                          ///< of the lock or election, without the prefix
  LeaseKind lock = LeaseKind::mutex;         ///< what the lease holds, or would
  std::chrono::system_clock::time_point at;  ///< when it began to happen, by the clock on the wall
  std::int64_t fence = 0;                    ///< of the lease; 0: there is none
  std::optional<AcquiredBy> way;             ///< how the lease was `acquired`
  std::optional<LossReason> reason;          ///< why it was `lost`, or its leader `deposed`
  /// How long the wait lasted, of `acquired`, `waiting`, `timed_out` and `deadlock`.
  std::chrono::nanoseconds waited{};
  /// How long the lease was held, of `released`, `lost` and `deposed`.
  std::chrono::nanoseconds held{};
  std::int64_t place = 0;  ///< in the queue, 1 being next, of `timed_out` as at the last reply of
                           ///< the server, and of `waiting`; 0: not known
  /// Who holds and who waits, of `waiting`, if the server said so; include dlock/inspect.hpp.
  std::shared_ptr<const LockInfo> store;
  std::string text;           ///< a line for people, in which names are escaped
  std::uint64_t dropped = 0;  ///< events dropped just before this one, as the handler was too slow
};

/// The name of the value: `acquired`, `timed_out`.
[[nodiscard]] DLOCK_API std::string_view name_of(Event::Kind value) noexcept;

/// Receives events, in the order in which they happened, on the client's callback thread: a slow
/// handler delays other callbacks and handlers of the client, never a renewal. It may call the
/// client. What it throws is logged. At most 1000 events wait for it; later ones are dropped, which
/// the log, `Event::dropped` and `Stats::dropped_events` report. None is called after the client's
/// end; see `Client::~Client`.
using EventHandler = std::function<void(const Event&)>;

}  // namespace dlock
