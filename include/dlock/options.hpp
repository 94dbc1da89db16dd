/// @file
/// Options: each has a name, and a default that is right for most programs.
///
/// Write them by name, as in `{.ttl = 10s, .wait = 2s}`. C++ wants the names in the order of the
/// members below, which is the same for all kinds of lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dlock/event.hpp"
#include "dlock/until.hpp"

namespace dlock {

/// How much a log line matters.
enum class LogLevel { debug, info, warning, error };

/// Receives the library's own reports: reconnects, losses, degraded hand-offs. It is called from
/// library threads, one call at a time for each client, and not after the client's end. It must not
/// call back into that client. Its exceptions are dropped. It never gets a password.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Returns the group of a lock name, under which a client counts and measures it (see `Stats`). A
/// group is to stand for many locks, as in "orders" for "order:4711", since each group is a series
/// of its own in a metrics system; never return the name itself. It is called by each constructor
/// of a lock, election, latch or barrier, on the thread that constructs it, and must be
/// thread-safe. What it throws leaves the constructor.
using GroupFunction = std::function<std::string(std::string_view name)>;

/// A user and a password of the server, and how long they are good.
struct Credentials {
  /// Empty: the server's default user.
  std::string user{};
  /// Empty, and without a user: no log-in.
  std::string password{};
  /// How long they are good from now on; `span_until` makes it of an instant. None: for ever.
  std::optional<Span> life{};
};

/// Returns the credentials of now: of a token service, of a file that a rotation rewrites, and so
/// on. A client calls it for each connection that it makes, also for those beside the shared one,
/// and again when three quarters of `Credentials::life` have passed: it then logs in again on the
/// open connection, and waits and leases go on. It is called on threads of the library that only
/// connect, one call at a time for each client; connections that are made meanwhile share the
/// answer, and no renewal waits for it. It may take as long as a connection may take
/// (`ClientOptions::connect_timeout`), else that attempt has failed; a call that never returns
/// keeps the client from logging in, so give what it does a timeout. What it throws is an attempt
/// that failed too, and its text is part of the error. It may still be called for as long as a
/// connection may take when its client is gone, so it must own what it uses.
using CredentialsFunction = std::function<Credentials()>;

/// Settings of a `Client`. All durations are real time, counted also while the machine sleeps.
struct ClientOptions {
  /// The longest time to connect and log in once; then that attempt has failed.
  Span connect_timeout{2'000};
  /// The longest time to wait for one reply; then the connection counts as dead, and the client
  /// connects again.
  Span request_timeout{2'000};
  /// How long calls that wait for a lock go on while no server answers, be it when the client first
  /// connects or later: a service may start before its Redis. Then they throw `Unreachable`. A
  /// shorter limit of the wait counts instead. Zero: not at all. Calls that only try fail at the
  /// first attempt, and so does the first connection where waiting would not help: the login is
  /// refused, the host name is unknown, or a private server cannot be started.
  Span patience{10'000};
  /// By how much this machine's clock may run faster or slower than the server's: as a share of the
  /// measured time ...
  double drift_rate = 0.01;
  /// ... and as a fixed time. Both shorten the validity of each lease.
  Span drift_floor{2};
  /// How long before the end of its validity `Lease::lost()` fires. None: a tenth of the ttl, at
  /// most 1 s.
  std::optional<Span> safety_margin{};
  /// How long a call looks for the server's reply again and again before its thread sleeps, if that
  /// thread alone uses the client. A server on the same machine often replies within that time,
  /// which is shorter than it takes to sleep and to wake up; where it does not, calls stop looking.
  /// A look keeps the core busy. Zero: never, for the least use of the CPU. At most 1 ms.
  std::chrono::microseconds busy_poll{25};
  /// Put before each lock name to make its key. Empty, as with redis-py and others: the key is the
  /// name.
  std::string prefix{};
  /// A text for people: `dlock info` shows it next to host, pid and program.
  std::string label{};
  /// Receives the reports. None: they are dropped.
  LogSink log{};
  /// Groups locks in the statistics. None: all are in the group "".
  GroupFunction group{};
  /// Receives events: acquired, released, lost, and so on. None: no event is made.
  EventHandler on_event{};
  /// A wait that has lasted for this long is reported once, as a warning in the log and as
  /// `Event::Kind::waiting`, with who holds the lock and who waits: a thread of the library asks
  /// the server, once for each such wait. From 1 ms to a year. None: never.
  std::optional<Span> slow_wait{};
  /// Returns the user and the password for the servers, in place of those in the URL. None: those
  /// in the URL. Sentinels have their own, in the URL.
  CredentialsFunction credentials{};
};

/// Settings of one lock.
struct LockOptions {
  /// How long the lock outlives its holder if that crashes: the library renews the lease each third
  /// of this time. It does not limit how long you wait for the lock (that is `wait`), nor how long
  /// you hold it (that is `max_hold`). With `renew` off: how long the holder has, from the
  /// acquisition on. From 10 ms to 10 years; the longest spans (`hours::max()`) mean 10 years.
  Span ttl{30'000};
  /// The longest time to wait for the lock, in calls that take no limit of their own. None: for
  /// ever.
  std::optional<Span> wait{};
  /// Whether the lease is renewed in the background until it is released, or runs out after `ttl`.
  bool renew = true;
  /// The longest time to hold the lock: then the lease is not renewed any more and counts as lost.
  /// None: for ever.
  std::optional<Span> max_hold{};
  /// Counts as acquired only when at least this many replicas have the lock as well (WAIT). Then it
  /// outlives a failover to one of those, but not to another one. 0: do not ask. Latches, barriers
  /// and downgrades do not ask.
  std::int64_t min_replicas = 0;
  /// The longest time to wait for those replicas, after any wait for the lock. Then the lock is
  /// given back, with `errc::not_replicated`. The lease's time runs meanwhile; if it has ended, the
  /// error is `errc::lost`.
  Span replication_timeout{1'000};

  /// Whether all members are equal.
  friend bool operator==(const LockOptions&, const LockOptions&) = default;
};

/// Settings of a `Latch`.
struct LatchOptions {
  /// How long the latch stays on the server after it was last counted down or waited for, also at
  /// zero. At least 1 s.
  Span keep{std::chrono::hours{1}};
  /// How long a part (`Latch::join`) outlives its holder if that crashes, from 10 ms to 10 years.
  Span ttl{30'000};
};

/// Settings of a `Barrier`.
struct BarrierOptions {
  /// How long a part (`Barrier::join`) outlives its holder if that crashes, from 10 ms to 10 years.
  Span ttl{30'000};
};

}  // namespace dlock
