// Holdings: which leases the calling thread must give back itself.
#include "client/holdings.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <sstream>

#include "client/lease_state.hpp"

namespace dlock::detail {
namespace {

/// Cheap to add to: what has gone is cleared away when it may be half of all.
struct Bound {
  std::vector<std::weak_ptr<LeaseState>> leases;
  std::size_t room = 8;
};

// That of this program's parent does not change.
const std::vector<std::string>& inherited() {
  static const auto tokens = [] {
    const char* const held = std::getenv("DLOCK_HELD");
    std::istringstream words{held == nullptr ? "" : held};
    std::vector<std::string> found;
    for (std::string token; words >> token;) found.push_back(token);
    return found;
  }();
  return tokens;
}

Bound& bound() {
  thread_local Bound leases;
  return leases;
}

}  // namespace

std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}

void bind_to_thread(const std::shared_ptr<LeaseState>& lease) {
  auto& [leases, room] = bound();
  if (leases.size() >= room) {
    std::erase_if(leases, [](const auto& each) { return each.expired(); });
    room = std::max<std::size_t>(8, 2 * leases.size());
  }
  lease->thread = thread_number();
  leases.push_back(lease);
}

std::vector<std::string> tokens_held(const ClientState& client) {
  std::vector<std::string> tokens = inherited();
  for (const auto& each : bound().leases) {
    const auto lease = each.lock();
    if (lease && lease->client.get() == &client && lease->thread == thread_number()) {
      tokens.push_back(lease->record->token);
    }
  }
  return tokens;
}

}  // namespace dlock::detail
