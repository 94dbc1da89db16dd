// Permits: the error text for a disagreement about their number.
#include "core/wire/permits.hpp"

namespace dlock::core {

std::string disagreement(std::string_view key, std::int64_t asked, std::int64_t actual) {
  const auto named = std::string{"the key \""}.append(key).append("\"");
  if (actual == shared_capacity) {
    return named +
           " is in use as a reader-writer lock (SharedMutex), not as a semaphore: choose "
           "another name";
  }
  const auto permits = std::to_string(actual) + (actual == 1 ? " permit" : " permits");
  if (asked == shared_capacity) {
    return named + " is in use as a semaphore with " + permits +
           ", not as a reader-writer lock (SharedMutex): choose another name";
  }
  return "the semaphore at " + named + " has " + permits + ", this client says " +
         std::to_string(asked) +
         ": use the same number everywhere, or change it with resize() (C: dlock_permits_resize())";
}

}  // namespace dlock::core
