/// @file
/// Deadlocks: rings of holders that wait for each other.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/inspect.hpp"

namespace dlock {

/// A lock in a ring, and its holder, who waits for the next one; that of the last for the first.
struct DeadlockLink {
  std::string name;  ///< without the client's prefix, if it has it
  Party holder;      ///< who has it, and waits
};

/// The rings there are now, of waits that have lasted 2 s or longer: of each, one wait will end
/// with the exception `Deadlock` some seconds later, if its program is of this version. Throws what
/// `list_locks` throws. Seen are waits of threads that hold locks by `lock()`, `DistributedLock`,
/// or a `Lease` or other handle that was not moved since; and those of programs under `dlock run`.
[[nodiscard]] DLOCK_API std::vector<std::vector<DeadlockLink>> list_deadlocks(Client& client);

/// One line for logs and for people.
[[nodiscard]] DLOCK_API std::string to_string(const DeadlockLink& value);
/// Writes `to_string(value)`.
DLOCK_API std::ostream& operator<<(std::ostream& out, const DeadlockLink& value);

}  // namespace dlock
