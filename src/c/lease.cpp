// dlock_lease.
#include "c/lease.hpp"

#include <memory>
#include <string>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/async.hpp"
#include "locks/lease_state.hpp"

using namespace dlock;

void c::give_back(Right right) {
  if (auto* const leadership = std::get_if<Leadership>(&right)) {
    leadership->resign();
  } else if (auto* const upgradeable = std::get_if<UpgradeableLease>(&right)) {
    upgradeable->release();
  } else if (auto* const all = std::get_if<Leases>(&right)) {
    all->release();
  } else {
    std::get<Lease>(right).release();
  }
}

// Those of a forked parent are not looked at: another of its threads may have had the mutex.
void c::check(const dlock_lease* lease) {
  require(lease != nullptr, "lease");
  if (lease->is_forked()) {
    throw_error(errc::forked, "this process is a fork: its parent has the lease");
  }
}

namespace {

// `look` gets the lease, or that of a leadership; of several locks the first stands for all.
template <class Look>
auto look_at_first(const c::Right& right, Look look) {
  if (const auto* const leadership = std::get_if<Leadership>(&right)) {
    return look(leadership->lease());
  }
  if (const auto* const all = std::get_if<Leases>(&right)) {
    return look((*all)[0]);
  }
  if (const auto* const upgradeable = std::get_if<UpgradeableLease>(&right)) {
    return look(*upgradeable);
  }
  return look(std::get<Lease>(right));
}

template <class Look>
auto look(const c::Right& right, Look at) {
  return std::visit([at](const auto& had) { return at(had); }, right);
}

std::vector<std::int64_t> fences_of(const c::Right& right) {
  std::vector<std::int64_t> fences;
  if (const auto* const all = std::get_if<Leases>(&right)) {
    for (const auto& lease : *all) {
      fences.push_back(lease.fence());
    }
  } else {
    fences.push_back(look_at_first(right, [](const auto& had) { return had.fence(); }));
  }
  return fences;
}

void ask_for_loss(dlock_lease& of) {
  if (of.holds() && !of.lost.stop_possible()) {
    of.lost = look(of.right, [](const auto& had) { return had.lost(); });
  }
}

void push_loss(void* context) {
  const auto* const lease = static_cast<const dlock_lease*>(context);
  lease->queue()->push({DLOCK_EVENT_LOST, lease->context});
}

}  // namespace

dlock_lease::dlock_lease(std::shared_ptr<dlock_queue> of, c::Right obtained,
                         std::shared_ptr<const dlock_lock> from)
    : Belonging(std::move(of)),
      name(look_at_first(obtained, [](const auto& had) { return had.name(); })),
      token(look_at_first(obtained, [](const auto& had) { return had.token(); })),
      fences(fences_of(obtained)),
      fence(fences.front()),
      right(std::move(obtained)),
      source(std::move(from)) {}

void dlock_lease::ensure_held() const {
  const std::lock_guard lock{mutex};
  look(right, [](const auto& had) { had.ensure_held(); });
}

bool dlock_lease::holds() const noexcept {
  return std::visit([](const auto& had) { return static_cast<bool>(had); }, right);
}

c::Right dlock_lease::take() {
  std::shared_ptr<const dlock_lock> last;  // goes when the mutex is free again
  const std::lock_guard lock{mutex};
  last.swap(source);
  return std::exchange(right, Lease{});
}

std::optional<Lease> dlock_lease::take_plain() {
  std::shared_ptr<const dlock_lock> last;
  const std::lock_guard lock{mutex};
  if (!std::holds_alternative<Lease>(right)) {
    return std::nullopt;
  }
  last.swap(source);
  return std::get<Lease>(std::move(right));
}

// A stop callback waits for itself to end, unless it is that which destroys it.
void dlock_lease::stop_watching() noexcept {
  decltype(watches) over;  // goes when the mutex is free again: the handler may look at the lease
  const std::lock_guard lock{mutex};
  over.swap(watches);
}

void dlock_lease::close() noexcept {
  end.request_stop();
  stop_watching();
}

void dlock_lease::give_back_quietly() noexcept {
  close();
  const std::lock_guard alone{changing};
  const auto right = take();
}

void dlock_lease::tell_loss(std::uint64_t number) noexcept {
  context = number;
  dlock_lease_on_lost(this, push_loss, this);
}

// Anything but a plain lease is released when the handle is freed.
std::string dlock_lease::abandon() {
  end.request_stop();
  const std::unique_lock alone{changing, std::try_to_lock};
  auto left = alone ? take_plain() : std::nullopt;
  if (!left || !*left) {
    return {};
  }
  const auto owner = detail::LeaseState::of(*left)->client;
  auto text = detail::label(name, fence) + " is given back: the event loop that held it has ended";
  async_release(std::move(*left), {});
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
  return lease != nullptr ? lease->fence.load() : 0;
}

std::size_t dlock_lease_count(const dlock_lease* lease) {
  return lease != nullptr ? lease->fences.size() : 0;
}

std::int64_t dlock_lease_fence_at(const dlock_lease* lease, std::size_t index) {
  if (lease == nullptr || index >= lease->fences.size()) {
    return 0;
  }
  return index == 0 ? lease->fence.load() : lease->fences[index];
}

std::int64_t dlock_lease_valid_for_ms(const dlock_lease* lease) {
  if (lease == nullptr || lease->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{lease->mutex};
  return look(lease->right, [](const auto& had) { return had.valid_for().count(); });
}

dlock_status dlock_lease_ensure_held(const dlock_lease* lease) {
  return c::guarded([&] {
    c::check(lease);
    lease->ensure_held();
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
      if (!lease->holds()) {
        throw_error(errc::usage, "this lease was released, so it cannot be lost");
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
    lease->end.request_stop();
    const std::lock_guard alone{lease->changing};
    c::give_back(lease->take());
  });
}

dlock_status dlock_lease_release_async(dlock_lease* lease, dlock_release_handler handler,
                                       void* context) {
  return c::guarded([&] {
    c::check(lease);
    c::require(handler != nullptr, "handler");
    auto left = lease->take_plain();
    if (!left) {
      throw_error(errc::usage,
                  "a leadership, an upgradeable lease and one of several locks are given back by "
                  "dlock_lease_release() or dlock_lease_release_queued()");
    }
    async_release(std::move(*left), [handler, context](std::error_code error) {
      const auto status = c::guarded([&] { detail::throw_release_error(error); });
      const std::string message = dlock_last_error();  // what the handler calls may fail too
      handler(context, status, status == DLOCK_OK ? nullptr : message.c_str());
    });
  });
}

dlock_status dlock_lease_release_queued(dlock_lease* lease, std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    const auto queue = c::queue_of(*lease);
    auto left = lease->take_plain();
    if (!left) {
      c::in_background(queue, {DLOCK_EVENT_RELEASED, context},
                       [had = c::kept(lease)](const std::stop_token&, c::Event&) {
                         const std::lock_guard alone{had->changing};
                         c::give_back(had->take());
                       });
      lease->free();
      return;
    }
    const auto pending = std::make_shared<c::Pending>(
        queue, c::Event{DLOCK_EVENT_RELEASED, context, DLOCK_UNREACHABLE,
                        "the client was freed before the server answered the release"});
    const auto end = [pending](std::error_code error) {
      pending->end(c::guarded([&] { detail::throw_release_error(error); }));
    };
    try {
      if (auto state = detail::LeaseState::take_from(*left)) {
        detail::async_release(std::move(state), end, queue);
      } else {
        end({});
      }
    } catch (...) {
      pending->take_back();
      throw;
    }
    lease->free();
  });
}

void dlock_lease_free(dlock_lease* lease) {
  if (lease != nullptr && !lease->is_forked()) {
    lease->free();
  }
}
