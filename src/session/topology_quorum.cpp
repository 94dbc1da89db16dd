// The servers of a quorum must be different ones: compares them before the first is used.
#include <algorithm>
#include <string>

#include "redis/info.hpp"
#include "runtime/clock.hpp"
#include "session/topology.hpp"

namespace dlock::detail {

// Uses the first connections of a quorum once all servers have answered, or after a moment: one
// server under two names would be half of a majority.
void Topology::end_first_round() {
  const bool is_any_busy = std::any_of(links_.begin(), links_.end(),
                                       [](const auto& link) { return link->connector.is_busy(); });
  if (is_any_busy && runtime::now() < join_by_) {
    return;
  }
  join_by_ = never;
  const auto twins = name_twins();
  is_first_round_ = !twins.empty();
  for (const auto& link : links_) {
    for (auto* const shard : link->shards) {
      if (!shard->wants_link || link->connector.is_busy()) {
        continue;
      }
      if (!twins.empty()) {
        fail_to_connect(*shard, errc::usage, twins, false);
      } else if (link->connection) {
        join(*shard, true);
      } else {
        fail_to_connect(*shard, errc::unreachable,
                        link->endpoint.display() + ": the server closed the connection");
      }
    }
    if (!twins.empty() && link->connection) {
      end_connection(*link, twins);
    }
  }
}

// Two names of one server, in a sentence; empty: there are none.
std::string Topology::name_twins() const {
  for (const auto& one : links_) {
    for (const auto& other : links_) {
      if (one == other || !one->connection || !other->connection) {
        continue;
      }
      const auto& id = one->connection->run_id();
      if (redis::tells_servers_apart(id) && id == other->connection->run_id()) {
        return config_.url + ": " + one->endpoint.display() + " and " + other->endpoint.display() +
               " are the same server (run_id " + id +
               "), which would count twice in a majority: name servers that are independent of "
               "each other";
      }
    }
  }
  return {};
}

}  // namespace dlock::detail
