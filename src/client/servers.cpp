// Servers: connections beside the client's shared ones.
#include "client/servers.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include "core/keys.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {

using redis::Endpoint;

Servers::Servers(const ClientState& client, const Endpoint& endpoint)
    : settings_(client.connection_settings()),
      is_cluster_(endpoint.kind == Endpoint::Kind::cluster) {
  client.check_process();
  settings_.endpoint = endpoint;
  // A name of its own: the shared connection's is what that one's successor kills by.
  settings_.client_name += ":inspect";
}

void Servers::survey() {
  if (ranges_.empty()) {
    std::vector<Endpoint::Address> known;
    for (const auto& [address, connection] : connections_) known.push_back(address);
    const auto deadline = std::chrono::steady_clock::now() + settings_.connect_timeout;
    ranges_ = redis::fetch_slots(settings_, known, deadline);
  }
}

redis::Connection& Servers::at(const Endpoint::Address& address) {
  auto& connection = connections_[address];
  if (!connection) {
    auto settings = settings_;
    if (is_cluster_)
      settings.endpoint = settings_.endpoint.at(address, Endpoint::Kind::cluster_node);
    connection = redis::Connection::open(settings);
  }
  return *connection;
}

redis::Connection& Servers::of(std::string_view key) {
  return at(is_cluster_ ? address_of(key) : Endpoint::Address{});
}

const Endpoint::Address& Servers::address_of(std::string_view key) {
  survey();
  const auto slot = core::slot_of(key);
  const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const auto& some) {
    return some.first <= slot && slot <= some.last;
  });
  if (range == ranges_.end()) {
    look_again();
    throw_error(errc::store_unusable, settings_.endpoint.display() +
                                          ": no node of the cluster has slot " +
                                          std::to_string(slot) + "; see CLUSTER INFO on its nodes");
  }
  return range->primary;
}

std::vector<redis::Connection*> Servers::all() {
  if (!is_cluster_) return {&at({})};
  survey();
  std::set<Endpoint::Address> primaries;
  for (const auto& range : ranges_) primaries.insert(range.primary);
  std::vector<redis::Connection*> connections;
  for (const auto& address : primaries) connections.push_back(&at(address));
  return connections;
}

}  // namespace dlock::detail
