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

/// Connects when first needed. Not thread-safe. Throws as `redis::Connection::open`.
class SideConnections {
 public:
  /// To `endpoint` alone, or where that is the client's, to where its locks are. `stop` ends what
  /// is waited for, at once: connecting with `Cancelled`, and the connections that there are.
  SideConnections(const StoreConfig& config, const redis::Endpoint& endpoint,
                  std::stop_token stop = {});

  /// To the server that has `key`, or of a channel its messages.
  [[nodiscard]] redis::Connection& of(std::string_view key);
  /// To a node of the cluster.
  [[nodiscard]] redis::Connection& at(const redis::Endpoint::Address& address);
  /// Of the node of the cluster that has `key`.
  [[nodiscard]] const redis::Endpoint::Address& address_of(std::string_view key);
  /// To all that have keys; of a quorum, to one.
  [[nodiscard]] std::vector<redis::Connection*> all();
  /// A cluster said that a key is elsewhere.
  void look_again() { ranges_.clear(); }

 private:
  struct HangUp {
    SideConnections& servers;
    void operator()() const noexcept;
  };
  void survey();
  template <class BackgroundTask>
  [[nodiscard]] auto await(BackgroundTask& errand);
  void check_stop() const;

  redis::Connection::Settings settings_;
  const bool is_cluster_;
  std::vector<redis::SlotRange> ranges_;
  const std::shared_ptr<EventFd> wake_ = std::make_shared<EventFd>();
  std::mutex mutex_;  ///< of the connections: for `stop`, which comes from another thread
  std::map<redis::Endpoint::Address, std::unique_ptr<redis::Connection>> connections_;
  const std::stop_token stop_;
  const std::stop_callback<HangUp> on_stop_;
};

}  // namespace dlock::detail
