// Referee: what is promised to the users of locks, whatever number of servers decides.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/hold.hpp"
#include "simulation/clock.hpp"
#include "simulation/ledger.hpp"
#include "simulation/stage.hpp"
#include "simulation/violation.hpp"

namespace dlock::sim {

/// What the lock key on a server says now.
struct OnRecord {
  std::string token;         ///< empty: free, or held by a foreign client
  std::int64_t counter = 0;  ///< 0: not known
  std::optional<Time> until{};
};

/// A server, as the referee questions it.
class Witness {
 public:
  /// Of permits: what the key says of `token`.
  virtual OnRecord look(const std::string& key, const std::string& token) = 0;
  /// When the last of what `client` holds ends; none: it holds nothing.
  virtual std::optional<Time> held_until(const std::string& key, std::string_view client) = 0;
  [[nodiscard]] virtual const Ledger& ledger() const = 0;

 protected:
  ~Witness() = default;
};

/// Checks that leases which are valid by the clocks of their processes never weigh more than the
/// capacity, that fences grow, and that the servers' records have each valid lease. When a single
/// server loses data, the leases of that moment are excused, but not their fences.
class Referee {
 public:
  explicit Referee(Stage& stage) : stage_(stage) {}
  /// A server that decides. All are to be added first.
  void add(Witness& witness) { witnesses_.push_back(&witness); }

  // At the servers, in the order of execution.
  /// `capacity`: how much weight may hold `key`.
  void asked(const std::string& key, std::int64_t capacity) { names_[key].capacity = capacity; }
  /// A script about `key` ran.
  void ran(const std::string& key);
  /// The single server lost data about `key`, or about everything if it is empty.
  void forgotten(const std::string& key);
  /// One of several servers lost what `client` held.
  void excuse(const std::string& key, std::string_view client, Time until);
  /// Another library holds `key` until then.
  void foreign(const std::string& key, std::optional<Time> until);

  // In the processes.
  /// The greatest fence of `key` by now: later requests get greater ones.
  [[nodiscard]] std::int64_t newest(const std::string& key) { return names_[key].newest; }
  void obtained(ProcessId process, const Clock& clock,
                const std::shared_ptr<core::LeaseRecord>& record, std::int64_t newest_when_asked);
  /// The user stops acting on this lease.
  void ended(core::LeaseId lease, ProcessId process, const std::string& key);
  /// The user learns that the lease is lost.
  void lost(ProcessId process, const core::LeaseRecord& record);
  /// Nobody acts there any more.
  void died(ProcessId process);
  /// After each event in a process.
  void check(ProcessId process);
  /// A renewal of `token` leaves.
  void renewing(ProcessId process, const std::string& token);

 private:
  struct Held {
    ProcessId process = 0;
    const Clock* clock = nullptr;
    std::shared_ptr<core::LeaseRecord> record;
    core::Instant believed;  ///< the end of validity when last looked at
    bool strayed = false;    ///< the record had another fence then
    bool lost = false;       ///< its user knows
  };
  struct Name {
    std::int64_t excused = 0;    ///< leases up to this counter existed when data was lost
    std::int64_t written = 0;    ///< the largest fence that the guarded resource has seen
    std::int64_t exclusive = 0;  ///< ... of a lease that had all of the capacity
    std::int64_t newest = 0;     ///< the largest fence of all
    std::int64_t capacity = 1;   ///< at most this weight at a time
    std::optional<Time> foreign_until;
    std::vector<Held> held;
    std::set<std::int64_t> shared;                           ///< fences of leases beside others
    std::map<std::string, Time, std::less<>> excused_until;  ///< by client
  };
  struct Row {  ///< hand-offs inside a process under one token
    core::Instant began;
    int sequence = 0;
  };

  void check(const std::string& key, Name& name, Held& held);
  void check_record(const std::string& key, const Name& name, Held& held, bool longer);
  void check_majority(const std::string& key, const Held& held);
  void check_passing(ProcessId process, core::Instant at, const core::LeaseRecord& record);
  void check_fence(ProcessId process, Name& name, const core::LeaseRecord& record,
                   std::int64_t newest_when_asked);
  void exclude(const std::string& key, const Name& name, const Held& held);
  [[nodiscard]] bool is_excused(const Name& name, const core::LeaseRecord& record) const;
  [[nodiscard]] Duration left_of(const Held& held) const;

  Stage& stage_;
  std::vector<Witness*> witnesses_;
  std::map<std::string, Name> names_;
  std::map<std::string, Row> rows_;
  std::uint64_t runs_ = 0;
};

}  // namespace dlock::sim
