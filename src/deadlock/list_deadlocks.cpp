// All rings of holders that wait for each other, for people who look.
#include "deadlock/waits_for.hpp"
#include "dlock/client.hpp"
#include "dlock/deadlock.hpp"
#include "session/session.hpp"

namespace dlock {

std::vector<std::vector<DeadlockLink>> list_deadlocks(Client& client) {
  const auto& config = client.state()->config();
  detail::LockReader reader{config};
  std::vector<std::vector<DeadlockLink>> rings;
  for (const auto& ring : detail::WaitsFor{reader}.rings()) {
    rings.push_back(detail::links_of(reader, ring, config.options.prefix));
  }
  return rings;
}

}  // namespace dlock
