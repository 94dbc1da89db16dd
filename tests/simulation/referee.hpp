// Referee: sees everything, at the server and in the processes, and says when a promise is broken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/hold.hpp"
#include "simulation/clock.hpp"
#include "simulation/stage.hpp"

namespace dlock::sim {

using ProcessId = std::size_t;

/// A broken promise. `check` is a word to tell the promises apart.
struct Violation : std::runtime_error {
  Violation(std::string_view which, const std::string& what)
      : std::runtime_error("[" + std::string{which} + "] " + what), check(which) {}
  std::string check;
};

/// What the lock key on the server says now.
struct OnRecord {
  std::string token;         ///< empty: free, or not ours
  std::int64_t counter = 0;  ///< 0: not known
  std::optional<Time> until{};
};

/// At most one holder of a mutex whose lease is valid by its own clock, and of permits only so many
/// that their weights do not exceed the capacity. Leases that existed when data was lost are
/// excused: no lease survives that. Their fences are not.
class Referee {
 public:
  using Look = std::function<OnRecord(const std::string& key, const std::string& token)>;
  Referee(Stage& stage, Look look) : stage_(stage), look_(std::move(look)) {}

  // At the server, in the order of execution.
  /// A request of `process` for `token`. `hears`: nothing keeps a grant from reaching it. `first`:
  /// it may overtake, for it holds already. `capacity`: of permits.
  void asked(const std::string& key, const std::string& token, ProcessId process, bool hears,
             bool first, std::int64_t capacity);
  void queued(const std::string& token, std::int64_t ticket);
  /// `token` has the lock under this counter, by a reply or a grant.
  void acquired(const std::string& token, std::int64_t counter);
  void left(const std::string& token);
  /// A script about `key` ran.
  void ran(const std::string& key);
  /// Data about `key` got lost, or about everything if it is empty.
  void forgotten(const std::string& key);
  /// Who waits on the server is not known here any more.
  void order_is_lost() { order_is_lost_ = true; }
  /// Another library holds `key` until then.
  void foreign(const std::string& key, std::optional<Time> until);

  // In the processes.
  void obtained(ProcessId process, const Clock& clock,
                const std::shared_ptr<core::LeaseRecord>& record);
  /// The user stops acting on this lease.
  void ended(core::LeaseId lease, ProcessId process, const std::string& key);
  /// Something happened to `process` that may cost its waiters their places.
  void disturbed(ProcessId process);
  /// Nobody acts there any more.
  void died(ProcessId process);
  /// After each event in a process.
  void check(ProcessId process);
  /// A renewal of `token` leaves.
  void renewing(ProcessId process, const std::string& token);

  /// Whether somebody here acts on a lease that the server does not know.
  [[nodiscard]] bool acting(ProcessId process) const;
  [[noreturn]] static void fail(std::string_view check, const std::string& what);

 private:
  struct Held {
    ProcessId process = 0;
    const Clock* clock = nullptr;
    std::shared_ptr<core::LeaseRecord> record;
    core::Instant believed;  ///< the end of validity when last looked at
  };
  struct Waiter {
    std::int64_t ticket = 0;
    ProcessId process = 0;
    bool disturbed = false;
  };
  struct Name {
    std::int64_t counter = 0;   ///< the last that was handed out
    std::int64_t excused = 0;   ///< leases up to this counter existed when data was lost
    std::int64_t written = 0;   ///< the largest fence that the guarded resource has seen
    std::int64_t capacity = 1;  ///< at most so much weight at a time
    std::optional<Time> foreign_until;
    std::vector<Held> held;
    std::map<std::string, Waiter> waiting;
  };
  struct Token {
    std::string key;
    ProcessId process = 0;
    bool hears = true;
    bool first = false;
    std::set<std::int64_t> counters;
  };
  struct Row {  ///< hand-offs inside a process under one token
    core::Instant began;
    int sequence = 0;
  };

  void check(const std::string& key, Name& name, Held& held);
  void exclude(const std::string& key, const Name& name, const Held& held);
  void in_order(const std::string& key, const Name& name, const std::string& token);
  [[nodiscard]] Duration left_of(const Held& held) const;

  Stage& stage_;
  Look look_;
  std::map<std::string, Name> names_;
  std::map<std::string, Token> tokens_;
  std::map<std::string, Row> rows_;
  bool order_is_lost_ = false;
  std::uint64_t runs_ = 0;
};

}  // namespace dlock::sim
