// UpgradeableState: what an UpgradeableLease handle points to.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "client/target.hpp"
#include "dlock/lease.hpp"

namespace dlock::detail {

struct UpgradeableState {
  UpgradeableState(std::shared_ptr<const Target> of, Lease lease)
      : lock(std::move(of)), base(std::move(lease)) {}

  const std::shared_ptr<const Target> lock;
  mutable std::mutex mutex;  ///< guards what follows
  Lease base;
  Lease rest;  ///< what it lacks to be the writer; empty: it is not

  struct End {
    std::stop_source source;
    void operator()() noexcept { source.request_stop(); }
  };
  std::optional<std::stop_source> lost;  ///< of either; made when first asked for
  std::list<std::stop_callback<End>> watches;

  /// To be called with `mutex` held.
  void watch(const Lease& lease) { watches.emplace_back(lease.lost(), End{*lost}); }
};

}  // namespace dlock::detail
