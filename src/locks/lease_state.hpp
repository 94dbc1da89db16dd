// LeaseState: the state behind a Lease handle.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/engine/hold.hpp"
#include "dlock/async.hpp"
#include "dlock/lease.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// The name of a held lock in messages, without the prefix.
[[nodiscard]] std::string label(std::string_view name, std::int64_t fence);

class LeaseState {
 public:
  LeaseState(std::shared_ptr<Session> owner, std::shared_ptr<core::LeaseRecord> lease)
      : client(std::move(owner)),
        record(std::move(lease)),
        name(record->key.text().substr(client->options().prefix.size())),
        session(client.get()) {}

  std::shared_ptr<Session>
      client;  ///< none: it was released, and only its name, token and fence remain
  const std::shared_ptr<core::LeaseRecord> record;
  const std::string_view name;   ///< in the record
  const Session* const session;  ///< the client's, to compare with; for threads without the handle
  /// The number of the thread that must release it; 0: unknown.
  std::atomic<std::uint64_t> thread{0};
  /// The object that this thread locked with it, so that no other thread can release it; or null.
  std::atomic<const void*> locked_through{nullptr};

  /// Whether `permits` of the lock `key` can replace it. True if it is empty.
  [[nodiscard]] static bool is_of(const Lease& lease, const Session& client, std::string_view key,
                                  const core::Permits& permits) {
    const auto& state = lease.state_;
    return !lease || (state->client.get() == &client && state->record->key == key &&
                      core::weight_of(state->record->token).value_or(0) >= permits.weight);
  }
  /// Any release of `lease` before `end` keeps the lock closed until then.
  static void keep_until(const Lease& lease, core::Instant end) {
    lease.state_->record->hold_off_until = end;
  }
  /// The state of `lease`; null if it is empty.
  [[nodiscard]] static const std::shared_ptr<LeaseState>& of(const Lease& lease) {
    return lease ? lease.state_ : nothing();
  }
  /// Forgets the thread that must release it.
  static void unbind(const Lease& lease) noexcept {
    if (lease.state_) {
      lease.state_->thread = 0;
      lease.state_->locked_through = nullptr;
    }
  }
  /// Whether the thread that must release it is known.
  [[nodiscard]] static bool is_bound(const Lease& lease) noexcept {
    return lease.state_ && lease.state_->thread != 0;
  }
  [[nodiscard]] static bool is_lost(const Lease& lease) noexcept {
    return lease && lease.state_->record->loss.load() != core::Loss::none;
  }
  /// Takes the state of `lease`, which is empty from then on.
  [[nodiscard]] static std::shared_ptr<LeaseState> take_from(Lease& lease) {
    return lease ? std::exchange(lease.state_, nullptr) : nullptr;
  }
  /// Ends it, except for the name, the token and the fence. Returns the client for the release.
  [[nodiscard]] std::shared_ptr<Session> let_go() noexcept {
    thread = 0;
    locked_through = nullptr;
    return std::exchange(client, nullptr);
  }
  /// Throws `UsageError`: `lease` is empty; the text says why.
  [[noreturn]] static void refuse_empty(const Lease& lease);
  /// Releases the lock, and logs errors instead of throwing them.
  void release_quietly() noexcept;
  /// Throws what a release with this outcome throws.
  void check(core::Released::Kind outcome) const;
  /// Logs a release that came too late or has no answer.
  void log(Session& owner, core::Released::Kind outcome) const;

 private:
  static const std::shared_ptr<LeaseState>&
  nothing();  ///< never destroyed: later destructors of statics may use it
};

/// Releases `state`, whose lease is empty from then on. `executor` runs the handler, which gets the
/// outcome and may be empty; none: the callback thread runs it.
void async_release(std::shared_ptr<LeaseState> state, ReleaseHandler handler,
                   std::shared_ptr<EventLoop::Executor> executor = {});

/// Lets go of a client on a thread of its own: its end may wait for a reply.
void end_elsewhere(std::shared_ptr<Session> client);

/// Keeps a forked child from destroying an object that it inherited: the sockets belong to its
/// parent.
void leave_to_parent(std::shared_ptr<const void> state) noexcept;

}  // namespace dlock::detail
