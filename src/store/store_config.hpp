// StoreConfig: where a client's locks are, with which options, and what it is called there.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dlock/client.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Thread-safe, and immutable but for `endpoint_has_slots`. All that a connection beside the shared
/// ones needs of a client.
class StoreConfig {
 public:
  StoreConfig(redis::Endpoint where, ClientOptions client_options);

  const redis::Endpoint endpoint;
  const ClientOptions options;
  const std::string url;  ///< without the password
  const std::string client_id;

  /// Whether each lock is on a majority of several servers.
  [[nodiscard]] bool is_quorum() const noexcept {
    return endpoint.kind == redis::Endpoint::Kind::quorum;
  }
  /// Whether each slot is on one of several servers.
  [[nodiscard]] bool is_cluster() const noexcept {
    return endpoint.kind == redis::Endpoint::Kind::cluster;
  }
  /// Whether a script sees the keys of one slot only: on a cluster, and behind an endpoint that was
  /// noted as having slots.
  [[nodiscard]] bool has_slots() const noexcept { return is_cluster() || *endpoint_has_slots_; }
  /// What connections find out about a single server; it may change.
  using SlotsNote = std::shared_ptr<std::atomic<bool>>;
  [[nodiscard]] const SlotsNote& endpoint_has_slots() const noexcept { return endpoint_has_slots_; }
  /// The settings of a connection beside the shared ones.
  [[nodiscard]] redis::Connection::Settings connection_settings() const;
  /// The key of the lock `name`. Throws `UsageError` for an empty name.
  [[nodiscard]] std::string key_of(std::string_view name) const;
  /// The key of the fence counter for the lock `key`.
  [[nodiscard]] std::string fence_key_for(std::string_view key) const;
  /// Whether one script can see all `keys`.
  [[nodiscard]] bool are_together(std::span<const std::string> keys) const;

  [[nodiscard]] bool is_forked() const noexcept;
  /// Throws in a forked child.
  void check_process() const;

 private:
  const std::uint64_t generation_;
  const SlotsNote endpoint_has_slots_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace dlock::detail
