// MigratingRenewals: keeps leases alive whose slot is on its way to another node of the cluster.
// Meanwhile scripts with several keys are refused; a lock's own key is always at one node or the
// other.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/hold.hpp"
#include "runtime/background_task.hpp"

namespace dlock::detail {

class StoreConfig;

/// What came of it.
struct Rescued {
  /// With when the request left that kept it.
  std::vector<std::pair<std::shared_ptr<core::LeaseRecord>, core::Instant>> kept;
  std::string problem;  ///< why others were not, or empty
};

/// One attempt at a time. Not thread-safe.
class MigratingRenewals : public runtime::BackgroundTask<Rescued> {
 public:
  using Leases = std::vector<std::shared_ptr<core::LeaseRecord>>;
  /// Begins an attempt with leases of a client, which need not outlive it.
  void start(const StoreConfig& config, Leases leases, std::function<void()> wake);
};

}  // namespace dlock::detail
