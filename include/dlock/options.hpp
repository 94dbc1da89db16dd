/// @file
/// Options: one line a knob, each with a default that is right for most programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dlock/until.hpp"

namespace dlock {

/// How much a log line matters.
enum class LogLevel { debug, info, warning, error };

/// Receives the library's own reports: reconnects, losses, degraded hand-offs. Called from library
/// threads, one call at a time for a client, and not after the client's end; must not call back
/// into that client. What it throws is dropped. Never gets a password.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Settings of a `Client`. All durations are real time, counted also while the machine sleeps.
struct ClientOptions {
  /// Longest time to connect and log in, before `errc::unreachable`.
  Span connect_timeout{2'000};
  /// Longest time to wait for one reply before the connection counts as dead; the server counts as
  /// unreachable for a waiting `lock()` when five of these pass without a usable connection.
  Span request_timeout{2'000};
  /// How much faster or slower than the server's our clock may run: a part of the span measured ...
  double drift_rate = 0.01;
  /// ... and a fixed part. Both are taken off every validity.
  Span drift_floor{2};
  /// How long before the end of validity `lost()` fires; none: a tenth of the ttl, at most 1 s.
  std::optional<Span> safety_margin{};
  /// Put before each lock name to make its key. Empty as with redis-py and others: the key is the
  /// name.
  std::string prefix{};
  /// For people who look: shown by `dlock info` next to host, pid and program.
  std::string label{};
  /// Where reports go; none: nowhere.
  LogSink log{};
};

/// Settings of one lock.
struct LockOptions {
  /// With `renew`: how long the lock outlives a crashed holder, since the library renews it every
  /// third of this. Without: how long the holder has, from the acquisition. From 10 ms to
  /// 10 years, which the longest spans (`hours::max()`) stand for.
  Span ttl{30'000};
  /// Longest time to wait for the lock in calls that take no time limit of their own; none: for
  /// ever.
  std::optional<Span> wait{};
  /// Renew the lease in the background until it is released (default), or let it run out after
  /// `ttl`.
  bool renew = true;
  /// Longest time to hold: after it the lease is not renewed any more and counts as lost; none: for
  /// ever.
  std::optional<Span> max_hold{};
  /// Count as acquired only when so many replicas have the lock as well (WAIT): then it outlives a
  /// failover to one of those, not one to another. 0: do not ask. Parts of latches and barriers,
  /// and downgrades, do not ask.
  std::int64_t min_replicas = 0;
  /// Longest time to wait for them, after any wait for the lock; then it is given back, and that is
  /// `errc::not_replicated`. The lease's time runs meanwhile; if it ended: `errc::lost`.
  Span replication_timeout{1'000};
};

/// Settings of a `Latch`.
struct LatchOptions {
  /// How long it stays on the server after it was last counted down or waited for, also at zero.
  /// From 1 s.
  Span keep{std::chrono::hours{1}};
  /// How long a part (`Latch::join`) outlives its crashed holder. As `LockOptions::ttl`.
  Span ttl{30'000};
};

/// Settings of a `Barrier`.
struct BarrierOptions {
  /// How long a part (`Barrier::join`) outlives its crashed holder. As `LockOptions::ttl`.
  Span ttl{30'000};
};

}  // namespace dlock
