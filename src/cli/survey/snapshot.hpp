// Snapshot: all locks of a store, as the survey last saw each.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

/// A lock as it was at an instant.
struct SeenLock {
  LockInfo info;
  runtime::BootTime seen_at{};
  double handoffs = 0;  ///< per second, as `HandoffRate` estimates it
};

/// A holder that waits for another lock, perhaps in a program that it started.
struct HolderWait {
  std::string token;  ///< of the holder
  std::string name;   ///< of the lock that it waits for
};

/// Immutable, once the sampler has published it.
struct Snapshot {
  std::vector<std::shared_ptr<const SeenLock>> locks;  ///< in order of name
  std::vector<std::vector<DeadlockLink>> rings;        ///< holders that wait for each other
  std::vector<HolderWait> waits;                       ///< that have lasted 2 s
  std::vector<std::string> elections;  ///< sorted names that have a value of a leader; 200 at most
  std::vector<std::string> latches;    ///< names; 200 at most
  std::vector<std::string> barriers;   ///< names; 200 at most
  runtime::BootTime taken_at{};
  std::uint64_t sweeps = 0;                ///< how often all keys were read
  std::uint64_t looks = 0;                 ///< how often the locks in focus were looked at
  std::chrono::milliseconds sweep_took{};  ///< the last time
  std::string problem;                     ///< why the store cannot be read now; or empty
};

/// Whether the lock of that name is an election: its holder is a leader, and its waiters are
/// candidates. Those hold and wait for as long as they live, which is neither long nor a fault.
[[nodiscard]] bool is_election(const Snapshot& snapshot, const std::string& name);

/// Returns the lock with its times as they are at `now`, if nothing else has changed.
[[nodiscard]] LockInfo at(const SeenLock& lock, runtime::BootTime now);

/// Returns the wait of the lock's longest waiter; zero if nobody waits.
[[nodiscard]] std::chrono::milliseconds longest_wait(const LockInfo& lock);

}  // namespace dlock::cli
