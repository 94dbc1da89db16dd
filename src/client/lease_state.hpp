// LeaseState: what a Lease handle points to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/client_state.hpp"
#include "core/hold.hpp"

namespace dlock::detail {

class LeaseState {
 public:
  LeaseState(std::shared_ptr<ClientState> owner, std::shared_ptr<core::LeaseRecord> lease,
             std::string lock_name)
      : client(std::move(owner)), record(std::move(lease)), name(std::move(lock_name)) {}

  const std::shared_ptr<ClientState> client;
  const std::shared_ptr<core::LeaseRecord> record;
  const std::string name;

  /// Gives the lock back, without throwing what only a user who asks can use.
  void release_quietly() noexcept;
  /// Reports a release that was not plain.
  void log(core::Released::Kind outcome) const;
};

/// Keeps what a forked child inherited from being destroyed there: the sockets are its parent's.
void leave_to_parent(std::shared_ptr<void> state) noexcept;

}  // namespace dlock::detail
