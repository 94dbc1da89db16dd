// Upgradeable readers: who may become the writer, and go back.
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

namespace {

UpgradeableLease& upgradeable(dlock_lease& lease) {
  auto* const its = lease.as<UpgradeableLease>();
  if (its == nullptr || !*its) {
    throw_error(errc::usage, "this lease is not one of dlock_upgradeable_new(), or was released");
  }
  return *its;
}

// Ends when either does.
class EitherStop {
 public:
  EitherStop(const std::stop_token& one, const std::stop_token& other)
      : on_one_(one, Request{both_}), on_other_(other, Request{both_}) {}
  [[nodiscard]] std::stop_token token() const { return both_.get_token(); }

 private:
  struct Request {
    std::stop_source& of;
    void operator()() const noexcept { of.request_stop(); }
  };
  std::stop_source both_;
  std::stop_callback<Request> on_one_;
  std::stop_callback<Request> on_other_;
};

void upgrade(dlock_lease& lease, c::Limit limit, const std::stop_token& stop) {
  const std::lock_guard alone{lease.changing};
  auto& its = upgradeable(lease);
  const EitherStop either{stop, lease.end.get_token()};
  if (limit) {
    its.upgrade_within(*limit, either.token());
  } else {
    its.upgrade(either.token());
  }
  lease.fence = its.fence();
}

void downgrade(dlock_lease& lease) {
  const std::lock_guard alone{lease.changing};
  upgradeable(lease).downgrade();
}

Lease to_reader(dlock_lease& lease) {
  const auto source = lease.lock();
  const auto lock = source ? source->ways.shared_mutex : nullptr;
  if (!lock) {
    throw_error(errc::usage, "only a lease of a writer or an upgradeable reader can be downgraded");
  }
  lease.end.request_stop();
  const std::lock_guard alone{lease.changing};
  auto right = lease.take();
  if (auto* const upgradeable = std::get_if<UpgradeableLease>(&right)) {
    return lock->downgrade(std::move(*upgradeable));
  }
  return lock->downgrade(std::get<Lease>(std::move(right)));
}

}  // namespace

dlock_status dlock_upgradeable_new(dlock_client* client, const char* name, std::size_t length,
                                   const dlock_lock_options* options, dlock_lock** lock) {
  return c::make(lock, "lock", [&] {
    c::require(client != nullptr, "client");
    c::Ways ways;
    ways.shared_mutex = std::make_shared<SharedMutex>(client->client, c::bytes(name, length),
                                                      c::lock_options(options));
    ways.take_special = [its = ways.shared_mutex](c::Limit limit,
                                                  const std::stop_token& stop) -> c::Right {
      return limit ? its->acquire_upgradeable_within(*limit, stop) : its->acquire_upgradeable(stop);
    };
    return c::handle<dlock_lock>(client->queue(), std::move(ways));
  });
}

dlock_status dlock_lease_upgrade(dlock_lease* lease, std::int64_t timeout_ms,
                                 dlock_cancel* cancel) {
  return c::guarded([&] {
    c::check(lease);
    upgrade(*lease, c::limit_of(timeout_ms), c::token_of(cancel));
  });
}

dlock_status dlock_lease_upgrade_queued(dlock_lease* lease, std::int64_t timeout_ms,
                                        std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    c::in_background(c::queue_of(*lease), {DLOCK_EVENT_DONE, context},
                     [had = c::kept(lease), limit = c::limit_of(timeout_ms)](
                         const std::stop_token& stop, c::Event&) { upgrade(*had, limit, stop); });
  });
}

dlock_status dlock_lease_downgrade(dlock_lease* lease) {
  return c::guarded([&] {
    c::check(lease);
    downgrade(*lease);
  });
}

dlock_status dlock_lease_downgrade_queued(dlock_lease* lease, std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    c::in_background(
        c::queue_of(*lease), {DLOCK_EVENT_DONE, context},
        [had = c::kept(lease)](const std::stop_token&, c::Event&) { downgrade(*had); });
  });
}

int dlock_lease_is_upgraded(const dlock_lease* lease) {
  if (lease == nullptr || lease->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{lease->mutex};
  const auto* const its = std::get_if<UpgradeableLease>(&lease->right);
  return static_cast<int>(its != nullptr && its->upgraded());
}

dlock_status dlock_lease_downgrade_to_reader(dlock_lease* lease, dlock_lease** reader) {
  return c::make(reader, "reader", [&] {
    c::check(lease);
    return c::handle<dlock_lease>(lease->queue(), to_reader(*lease));
  });
}

dlock_status dlock_lease_downgrade_to_reader_queued(dlock_lease* lease, std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    c::in_background(c::queue_of(*lease), {DLOCK_EVENT_ACQUIRED, context},
                     [had = c::kept(lease)](const std::stop_token&, c::Event& event) {
                       event.lease = c::handle<dlock_lease>(nullptr, to_reader(*had));
                     });
  });
}
