// StoreSurvey: reads all locks of a store again and again, in small steps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/survey/handoff_rate.hpp"
#include "cli/survey/snapshot.hpp"
#include "dlock/client.hpp"
#include "inspect/lock_reader.hpp"

namespace dlock::cli {

/// A sweep walks over the keys once, by SCAN, and looks at each that may be a lock, a hundred at a
/// time. Between the steps of a sweep, `look` looks at a few locks. All commands only read. Not
/// thread-safe. Members throw `Unreachable`, `Refused`, `StoreUnusable`, or `Cancelled` after a
/// stop; the survey is then good for another step, on new connections.
class StoreSurvey {
 public:
  /// `pattern` is that of `list_locks`.
  StoreSurvey(Client& client, std::string pattern, std::stop_token stop);

  /// Reads one page of the keys, and begins a sweep if none is under way. Returns whether the sweep
  /// is over.
  bool step();
  /// Looks at the locks with these names. Returns whether it has asked the store: it does not if
  /// there are none, or on a quorum.
  bool look(std::span<const std::string> names);

  /// What it has cost the servers: the number of commands. One that reads what a client registered
  /// counts a tenth, and a long queue counts as several.
  [[nodiscard]] double cost() const noexcept { return cost_; }
  /// Returns what is known now.
  [[nodiscard]] std::shared_ptr<Snapshot> snapshot() const;

 private:
  struct Entry {
    std::shared_ptr<const SeenLock> lock;
    HandoffRate rate;
    std::uint64_t sweep = 0;        ///< the last one that found it
    runtime::BootTime last_used{};  ///< when somebody held it or waited for it
  };
  struct KnownParty {
    Party party;
    runtime::BootTime read_at{};
  };
  // What is no lock, by name.
  struct Others {
    std::set<std::string> elections{};
    std::set<std::string> latches{};
    std::set<std::string> barriers{};
  };
  using Locks = std::map<std::string, LockInfo>;

  detail::LockReader& reader();
  template <class Work>
  void at_cost(Work work);
  void read_page();
  void read_quorum();
  [[nodiscard]] bool take_other(const std::string& key);
  void end_sweep();
  void find_rings();
  void add(Locks locks);
  void put(const std::string& key, LockInfo lock);
  void name_parties(Locks& locks);
  void name(Party& party, std::size_t& max_reads);

  Client& client_;
  const std::string pattern_;
  const std::stop_token stop_;
  std::optional<detail::LockReader> reader_;
  detail::LockReader::Walk walk_;
  std::set<std::string> note_tokens_;  ///< that this sweep has found
  Others found_others_;                ///< that this sweep has found
  Others others_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, KnownParty> parties_;  ///< by client id
  std::vector<std::vector<DeadlockLink>> rings_;
  std::vector<HolderWait> waits_;
  runtime::BootTime sweep_began_{};
  std::chrono::milliseconds sweep_took_{};
  std::uint64_t sweeps_ = 0;
  std::uint64_t looks_ = 0;
  double cost_ = 0;
};

}  // namespace dlock::cli
