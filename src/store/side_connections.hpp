// SideConnections: connections beside the client's shared ones.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <vector>

#include "redis/cluster.hpp"
#include "redis/connection.hpp"
#include "runtime/event_fd.hpp"
#include "store/connector.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {

/// Connects when first needed. Not thread-safe. Throws the errors of `redis::Connection::open`.
class SideConnections {
 public:
  /// For `endpoint` alone; for the client's own endpoint, for all servers with its locks. `stop`
  /// ends every wait at once: it hangs up all connections, and connecting throws `Cancelled`.
  SideConnections(const StoreConfig& config, const redis::Endpoint& endpoint,
                  std::stop_token stop = {});

  /// The connection to the server that has `key`, a key or a channel.
  [[nodiscard]] redis::Connection& of(std::string_view key);
  /// The connection to a node of the cluster.
  [[nodiscard]] redis::Connection& at(const redis::Endpoint::Address& address);
  /// The address of the node of the cluster that has `key`.
  [[nodiscard]] const redis::Endpoint::Address& address_of(std::string_view key);
  /// Connections to all servers that have keys; on a quorum, to one server.
  [[nodiscard]] std::vector<redis::Connection*> all();
  /// To be called when a cluster says that a key is elsewhere: forgets where the slots are.
  void look_again() { ranges_.clear(); }

 private:
  struct HangUp {
    SideConnections& servers;
    void operator()() const noexcept;
  };
  void survey();
  template <class Task>
  [[nodiscard]] auto await(Task& task);
  void check_stop() const;

  redis::Connection::Settings settings_;
  const bool is_cluster_;
  const StoreConfig::SlotsNote endpoint_has_slots_;  ///< null: it does not matter
  std::vector<redis::SlotRange> ranges_;
  const std::shared_ptr<runtime::EventFd> wake_ = std::make_shared<runtime::EventFd>();
  std::mutex mutex_;  ///< guards the connections: `stop` comes from another thread
  std::map<redis::Endpoint::Address, std::unique_ptr<redis::Connection>> connections_;
  const std::stop_token stop_;
  const std::stop_callback<HangUp> on_stop_;
};

}  // namespace dlock::detail
