// dlock_lease.
#include <memory>
#include <string>
#include <utility>

#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

namespace {

// Those of a forked parent are not looked at: another of its threads may have had the mutex.
void check(const dlock_lease* lease) {
  c::require(lease != nullptr, "lease");
  if (lease->is_forked()) {
    throw_error(errc::forked, "this process is a fork: its parent has the lease");
  }
}

// Somebody may look at the handle while the lease is given back.
Lease take(dlock_lease& from) {
  const std::lock_guard lock{from.mutex};
  return std::move(from.lease);
}

void ask_for_loss(dlock_lease& of) {
  if (of.lease && !of.lost.stop_possible()) {
    of.lost = of.lease.lost();
  }
}

}  // namespace

const char* dlock_lease_name(const dlock_lease* lease, std::size_t* length) {
  if (length != nullptr) {
    *length = lease != nullptr ? lease->name.size() : 0;
  }
  return lease != nullptr ? lease->name.c_str() : "";
}

const char* dlock_lease_token(const dlock_lease* lease) {
  return lease != nullptr ? lease->token.c_str() : "";
}

std::int64_t dlock_lease_fence(const dlock_lease* lease) {
  return lease != nullptr ? lease->fence : 0;
}

std::int64_t dlock_lease_valid_for_ms(const dlock_lease* lease) {
  if (lease == nullptr || lease->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{lease->mutex};
  return lease->lease.valid_for().count();
}

dlock_status dlock_lease_ensure_held(const dlock_lease* lease) {
  return c::guarded([&] {
    check(lease);
    const std::lock_guard lock{lease->mutex};
    lease->lease.ensure_held();
  });
}

int dlock_lease_is_lost(dlock_lease* lease) {
  bool lost = false;
  const auto status = c::guarded([&] {
    check(lease);
    const std::lock_guard lock{lease->mutex};
    ask_for_loss(*lease);
    lost = lease->lost.stop_requested();
  });
  return static_cast<int>(lost || status != DLOCK_OK);
}

dlock_status dlock_lease_on_lost(dlock_lease* lease, dlock_lost_handler handler, void* context) {
  return c::guarded([&] {
    check(lease);
    c::require(handler != nullptr, "handler");
    std::list<std::stop_callback<c::LostCall>> watch;
    std::stop_token lost;
    {
      const std::lock_guard lock{lease->mutex};
      ask_for_loss(*lease);
      if (!lease->lease) {
        throw_error(errc::usage, "this lease was released: it cannot be lost any more");
      }
      lost = lease->lost;
    }
    watch.emplace_back(lost, c::LostCall{handler, context});  // may call it, which may look at us
    const std::lock_guard lock{lease->mutex};
    lease->watches.splice(lease->watches.end(), watch);
  });
}

dlock_status dlock_lease_release(dlock_lease* lease) {
  return c::guarded([&] {
    check(lease);
    take(*lease).release();
  });
}

dlock_status dlock_lease_release_async(dlock_lease* lease, dlock_release_handler handler,
                                       void* context) {
  return c::guarded([&] {
    check(lease);
    c::require(handler != nullptr, "handler");
    async_release(take(*lease), [handler, context](std::error_code error) {
      const auto status = c::guarded([&] { detail::throw_release_error(error); });
      const std::string message = dlock_last_error();  // what the handler calls may fail too
      handler(context, status, status == DLOCK_OK ? nullptr : message.c_str());
    });
  });
}

void dlock_lease_free(dlock_lease* lease) {
  if (lease != nullptr && !lease->is_forked()) {
    delete lease;
  }
}
