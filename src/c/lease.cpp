// dlock_lease.
#include <memory>
#include <string>
#include <utility>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "locks/lease_state.hpp"

using namespace dlock;

// Those of a forked parent are not looked at: another of its threads may have had the mutex.
void c::check(const dlock_lease* lease) {
  require(lease != nullptr, "lease");
  if (lease->is_forked()) {
    throw_error(errc::forked, "this process is a fork: its parent has the lease");
  }
}

namespace {

void ask_for_loss(dlock_lease& of) {
  if (of.held() && !of.lost.stop_possible()) {
    of.lost = of.held().lost();
  }
}

void push_loss(void* context) {
  const auto* const lease = static_cast<const dlock_lease*>(context);
  lease->queue()->push({DLOCK_EVENT_LOST, lease->context});
}

}  // namespace

void dlock_lease::tell_loss(std::uint64_t number) noexcept {
  context = number;
  dlock_lease_on_lost(this, push_loss, this);
}

// A leadership resigns when the handle is freed.
std::string dlock_lease::abandon() {
  auto left = take();
  const auto& state = detail::LeaseState::of(left);
  if (!state) {
    return {};
  }
  const auto owner = state->client;
  auto text = detail::label(name, fence) + " is given back: the event loop that held it has ended";
  async_release(std::move(left), {});
  if (owner->options().log) {
    owner->log(LogLevel::warning, std::exchange(text, {}));
  }
  return text;
}

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
  return lease->held().valid_for().count();
}

dlock_status dlock_lease_ensure_held(const dlock_lease* lease) {
  return c::guarded([&] {
    c::check(lease);
    const std::lock_guard lock{lease->mutex};
    lease->held().ensure_held();
  });
}

int dlock_lease_is_lost(dlock_lease* lease) {
  bool lost = false;
  const auto status = c::guarded([&] {
    c::check(lease);
    const std::lock_guard lock{lease->mutex};
    ask_for_loss(*lease);
    lost = lease->lost.stop_requested();
  });
  return static_cast<int>(lost || status != DLOCK_OK);
}

dlock_status dlock_lease_on_lost(dlock_lease* lease, dlock_lost_handler handler, void* context) {
  return c::guarded([&] {
    c::check(lease);
    c::require(handler != nullptr, "handler");
    std::list<std::stop_callback<c::LostCall>> watch;
    std::stop_token lost;
    {
      const std::lock_guard lock{lease->mutex};
      ask_for_loss(*lease);
      if (!lease->held()) {
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
    c::check(lease);
    const std::lock_guard alone{lease->changing};
    if (auto leadership = lease->take_leadership()) {
      leadership.resign();
    } else {
      lease->take().release();
    }
  });
}

dlock_status dlock_lease_release_async(dlock_lease* lease, dlock_release_handler handler,
                                       void* context) {
  return c::guarded([&] {
    c::check(lease);
    c::require(handler != nullptr, "handler");
    {
      const std::lock_guard lock{lease->mutex};
      if (lease->leadership) {
        throw_error(errc::usage, "a leadership is given back by dlock_lease_release()");
      }
    }
    async_release(lease->take(), [handler, context](std::error_code error) {
      const auto status = c::guarded([&] { detail::throw_release_error(error); });
      const std::string message = dlock_last_error();  // what the handler calls may fail too
      handler(context, status, status == DLOCK_OK ? nullptr : message.c_str());
    });
  });
}

dlock_status dlock_lease_release_queued(dlock_lease* lease, std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    const auto& queue = c::queue_of(*lease);
    {
      const std::lock_guard lock{lease->mutex};
      if (lease->leadership) {
        throw_error(errc::usage, "a leadership is given back by dlock_lease_release()");
      }
    }
    const auto pending = std::make_shared<c::Pending>(
        queue, c::Event{DLOCK_EVENT_RELEASED, context, DLOCK_UNREACHABLE,
                        "the client was freed before the server answered the release"});
    try {
      async_release(lease->take(), [pending](std::error_code error) {
        pending->end(c::guarded([&] { detail::throw_release_error(error); }));
      });
    } catch (...) {
      pending->take_back();
      throw;
    }
    delete lease;
  });
}

void dlock_lease_free(dlock_lease* lease) {
  if (lease != nullptr && !lease->is_forked()) {
    delete lease;
  }
}
