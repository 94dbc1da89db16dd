// Requests to an engine or a quorum, and the actions that it returns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/engine/hold.hpp"
#include "core/engine/statistics.hpp"
#include "core/wire/command.hpp"
#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/time.hpp"
#include "dlock/error.hpp"
#include "dlock/options.hpp"

namespace dlock::core {

/// The caller chooses one for each wait.
using WaiterId = std::uint64_t;

/// A request for a lock.
struct AcquireRequest {
  Key key;
  Duration ttl = std::chrono::seconds{30};
  bool renew = true;
  std::optional<Duration> max_hold{};
  bool wait = true;                   ///< false: only if it is free now
  std::optional<Instant> deadline{};  ///< of the wait
  std::optional<Permits> permits{};
  std::shared_ptr<const Gate> gate{};  ///< without both: a mutex
  bool part = false;      ///< of a quorum's lease: report each renewal, and the queueing
  std::string ticket{};   ///< the place in the queue of an earlier wait, or empty
  bool recorded = false;  ///< the server must know the fence from the start
  GroupId group = 0;      ///< for the statistics

  /// The latest end of a hold that begins at `now`; none: no limit.
  [[nodiscard]] std::optional<Instant> end_of_hold(Instant now) const {
    return max_hold ? std::optional{now + *max_hold} : std::nullopt;
  }
  [[nodiscard]] Kind kind() const {
    return gate ? gate->kind : permits ? Kind::permits : Kind::mutex;
  }
};

// What the engine's caller must do.
struct Send {  ///< write this command, after those before
  Command command;
};
struct Obtained {  ///< the wait ended with the lock; at a gate, `lease` only carries the reply
  WaiterId waiter = 0;
  std::shared_ptr<LeaseRecord> lease;
  AcquiredBy way{};
  Duration waited{};
};
struct Refusal {  ///< the wait ended without it
  enum class Kind : std::uint8_t { busy, timed_out, cancelled, failed };
  WaiterId waiter = 0;
  Kind kind{};
  errc code{};             ///< of `failed`
  std::string what;        ///< of `failed`
  std::int64_t place = 0;  ///< of `timed_out`: in the server's queue, from 1 on; 0: not known
};
struct Released {  ///< the server answered a release, or did not in time
  enum class Kind : std::uint8_t { released, not_held, unknown };
  LeaseId lease = 0;
  Kind kind{};
};
struct Unanswered {
};  ///< the server did not answer a release in time: find out whether it answers at all
struct Lost {  ///< tell the holder; user code must not run on the caller's stack
  std::shared_ptr<LeaseRecord> lease;
};
struct Renewed {  ///< the server confirmed a renewal of a quorum's part: its end moved
  LeaseId lease = 0;
};
struct RenewalBlocked {  ///< the server refused a renewal because the slot moves; the caller may
                         ///< answer with on_unblocked
  std::shared_ptr<LeaseRecord> lease;
};
struct FenceWritten {  ///< answers `write_fence`
  LeaseId lease = 0;
  bool done = false;    ///< otherwise the outcome is unknown
  bool passed = false;  ///< another lease has that fence: the record has a greater one, which is
                        ///< not written yet
};
struct Queued {  ///< a quorum's part waits in the server's queue
  WaiterId waiter = 0;
  bool heard = true;     ///< the server says so; otherwise it cannot be reached
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

/// What an engine counts of its connection.
struct Counters {
  std::uint64_t renewals = 0, reconnects = 0, commands = 0;

  void add_to(Stats& sum) const {
    sum.renewals += renewals;
    sum.reconnects += reconnects;
    sum.commands += commands;
  }
};

/// The actions of a machine for its caller, and its counts.
struct Output {
  std::vector<Action> actions;
  Counters counters;
  std::shared_ptr<Statistics> statistics = std::make_shared<Statistics>();

  template <class Kind>
  void act(Kind&& action) {
    actions.emplace_back(std::forward<Kind>(action));
  }
};

}  // namespace dlock::core
