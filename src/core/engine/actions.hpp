// What callers ask of an engine or a quorum, and the actions and counts that they get from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/engine/hold.hpp"
#include "core/wire/command.hpp"
#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/time.hpp"
#include "dlock/error.hpp"
#include "dlock/options.hpp"

namespace dlock::core {

/// Chosen by the caller for each wait.
using WaiterId = std::uint64_t;

/// What a caller wants of a lock.
struct AcquireRequest {
  std::string key;
  Duration ttl = std::chrono::seconds{30};
  bool renew = true;
  std::optional<Duration> max_hold{};
  bool wait = true;                   ///< false: only if it is free now
  std::optional<Instant> deadline{};  ///< of the wait
  std::optional<Permits> permits{};
  std::optional<Gate> gate{};  ///< neither: a mutex
  bool part = false;     ///< of a lease on several servers: report each renewal, and the queueing
  std::string ticket{};  ///< the place in the queue of an earlier wait; else empty

  /// When a hold that begins at `now` ends at the latest; none: never.
  [[nodiscard]] std::optional<Instant> end_of_hold(Instant now) const {
    return max_hold ? std::optional{now + *max_hold} : std::nullopt;
  }
  [[nodiscard]] Kind kind() const {
    return gate ? gate->kind : permits ? Kind::permits : Kind::mutex;
  }
};

// What the caller of the engine has to do.
struct Send {  ///< write this command, after those before
  Command command;
};
struct Obtained {  ///< the wait ended with the lock; at a gate, `lease` only says what was told
  WaiterId waiter = 0;
  std::shared_ptr<LeaseRecord> lease;
};
struct Refusal {  ///< the wait ended without it
  enum class Kind : std::uint8_t { busy, timed_out, cancelled, failed };
  WaiterId waiter = 0;
  Kind kind{};
  errc code{};       ///< of `failed`
  std::string what;  ///< of `failed`
};
struct Released {  ///< a release was answered, or will not be in time
  enum class Kind : std::uint8_t { released, not_held, unknown };
  LeaseId lease = 0;
  Kind kind{};
};
struct Unanswered {};  ///< the server did not answer a release in time: does it answer anybody?
struct Lost {          ///< tell the holder; user code must not run on the caller's stack
  std::shared_ptr<LeaseRecord> lease;
};
struct Renewed {  ///< a renewal of a part of a lease was confirmed: its end moved
  LeaseId lease = 0;
};
struct RenewalBlocked {  ///< a renewal was refused because the slot moves; answer with
                         ///< on_unblocked, or not
  std::shared_ptr<LeaseRecord> lease;
};
struct FenceWritten {  ///< the answer to `write_fence`
  LeaseId lease = 0;
  bool done = false;    ///< else nobody knows
  bool passed = false;  ///< it was not new: the record has a greater one, which is not written down
};
struct Queued {  ///< a part of a lease is waited for in the server's queue
  WaiterId waiter = 0;
  bool heard = true;     ///< the server says so; else it cannot be reached
  std::string ticket{};  ///< its place there
};
struct Connect {};   ///< a connection is needed; answer with on_connected or on_connect_failed
struct Disconnect {  ///< close the connection (linger 0); do not answer
  std::string why;
};
struct Report {  ///< for the log
  LogLevel level{};
  std::string text;
};
using Action = std::variant<Send, Obtained, Refusal, Released, Unanswered, Lost, Renewed,
                            RenewalBlocked, FenceWritten, Queued, Connect, Disconnect, Report>;

/// What the engine counts.
struct Counters {
  std::uint64_t acquired = 0, granted = 0, passed = 0, released = 0, lost = 0, timed_out = 0,
                renewals = 0, reconnects = 0, commands = 0;

  Counters& operator+=(const Counters& other) {
    acquired += other.acquired;
    granted += other.granted;
    passed += other.passed;
    released += other.released;
    lost += other.lost;
    timed_out += other.timed_out;
    renewals += other.renewals;
    reconnects += other.reconnects;
    commands += other.commands;
    return *this;
  }
};

/// What a machine has for its caller.
struct Output {
  std::vector<Action> actions;
  Counters counters;

  template <class Kind>
  void act(Kind action) {
    actions.emplace_back(std::move(action));
  }
};

}  // namespace dlock::core
