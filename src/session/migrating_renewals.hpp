// MigratingRenewals: renews leases whose slot moves to another node of the cluster. The nodes
// refuse scripts with several keys meanwhile, but one of them always has the lock's own key.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/hold.hpp"
#include "runtime/background_task.hpp"

namespace dlock::detail {

class StoreConfig;

/// The result of an attempt.
struct Rescued {
  /// The renewed leases, each with the instant at which its request left.
  std::vector<std::pair<std::shared_ptr<core::LeaseRecord>, core::Instant>> kept;
  std::string problem;  ///< why others were not renewed, or empty
};

/// One attempt at a time. Not thread-safe.
class MigratingRenewals : public runtime::BackgroundTask<Rescued> {
 public:
  using Leases = std::vector<std::shared_ptr<core::LeaseRecord>>;
  /// Begins an attempt with leases of a client. The client need not outlive it.
  void start(const StoreConfig& config, Leases leases, std::function<void()> wake);
};

}  // namespace dlock::detail
