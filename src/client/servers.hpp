// Servers: connections beside the client's shared ones.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "client/client_state.hpp"
#include "redis/cluster.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Connects when first needed. Not thread-safe. Throws as `redis::Connection::open`.
class Servers {
 public:
  /// To where the client's locks are, or to `endpoint` alone.
  Servers(const ClientState& client, const redis::Endpoint& endpoint);

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
  void survey();

  redis::Connection::Settings settings_;
  const bool is_cluster_;
  std::vector<redis::SlotRange> ranges_;
  std::map<redis::Endpoint::Address, std::unique_ptr<redis::Connection>> connections_;
};

}  // namespace dlock::detail
