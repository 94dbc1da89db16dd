// SideConnections: connections beside the client's shared ones.
#include "store/side_connections.hpp"

#include <poll.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "core/wire/keys.hpp"
#include "dlock/error.hpp"
#include "redis/dial.hpp"

namespace dlock::detail {

using redis::Endpoint;

SideConnections::SideConnections(const StoreConfig& config, const Endpoint& endpoint,
                                 std::stop_token stop)
    : settings_(config.connection_settings()),
      is_cluster_(endpoint.kind == Endpoint::Kind::cluster),
      endpoint_has_slots_(config.is_cluster() || config.is_quorum() ? nullptr
                                                                    : config.endpoint_has_slots()),
      stop_(std::move(stop)),
      on_stop_(stop_, HangUp{*this}) {
  config.check_process();
  settings_.endpoint = endpoint;
  // It needs another name: by the shared connection's name, the next shared connection kills it.
  settings_.client_name += ":inspect";
}

void SideConnections::HangUp::operator()() const noexcept {
  servers.wake_->notify();
  const std::lock_guard lock{servers.mutex_};
  for (const auto& [address, connection] : servers.connections_) connection->hang_up();
}

void SideConnections::check_stop() const {
  if (stop_.stop_requested())
    throw_error(errc::cancelled, "the wait for the servers was cancelled");
}

// The result. A name server may take longer than any connection.
template <class Task>
auto SideConnections::await(Task& task) {
  constexpr std::chrono::milliseconds grace{100};
  const auto deadline = std::chrono::steady_clock::now() + settings_.connect_timeout + grace;
  for (;;) {
    wake_->clear();
    check_stop();
    if (auto result = task.take()) return std::move(*result);
    if (!redis::wait_for(wake_->fd(), POLLIN, deadline)) {
      throw_error(errc::unreachable,
                  settings_.endpoint.display() +
                      ": no connection within the connect timeout; check its host name");
    }
  }
}

void SideConnections::survey() {
  if (!ranges_.empty()) return;
  std::vector<Endpoint::Address> known;
  for (const auto& [address, connection] : connections_) known.push_back(address);
  SlotSurvey surveyor;
  surveyor.start(settings_, std::move(known), [wake = wake_] { wake->notify(); });
  auto surveyed = await(surveyor);
  if (surveyed.ranges.empty()) throw_error(surveyed.code, surveyed.what);
  ranges_ = std::move(surveyed.ranges);
}

redis::Connection& SideConnections::at(const Endpoint::Address& address) {
  const auto found = connections_.find(address);
  if (found != connections_.end()) return *found->second;
  auto settings = settings_;
  if (is_cluster_) settings.endpoint = settings_.endpoint.at(address, Endpoint::Kind::cluster_node);
  Connector connector;
  connector.start({std::move(settings), {}, {}}, [wake = wake_] { wake->notify(); });
  auto dialled = await(connector);
  if (!dialled.connection) throw_error(dialled.code, dialled.what);
  if (endpoint_has_slots_) *endpoint_has_slots_ = dialled.connection->has_slots();
  const std::lock_guard lock{mutex_};
  check_stop();
  return *connections_.emplace(address, std::move(dialled.connection)).first->second;
}

redis::Connection& SideConnections::of(std::string_view key) {
  return at(is_cluster_ ? address_of(key) : Endpoint::Address{});
}

const Endpoint::Address& SideConnections::address_of(std::string_view key) {
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

std::vector<redis::Connection*> SideConnections::all() {
  if (!is_cluster_) return {&at({})};
  survey();
  std::set<Endpoint::Address> primaries;
  for (const auto& range : ranges_) primaries.insert(range.primary);
  std::vector<redis::Connection*> connections;
  for (const auto& address : primaries) connections.push_back(&at(address));
  return connections;
}

}  // namespace dlock::detail
