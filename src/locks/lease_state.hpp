// LeaseState: what a Lease handle points to.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/engine/hold.hpp"
#include "dlock/lease.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// What a message calls a held lock.
[[nodiscard]] std::string label(std::string_view name, std::int64_t fence);

class LeaseState {
 public:
  LeaseState(std::shared_ptr<Session> owner, std::shared_ptr<core::LeaseRecord> lease,
             std::string lock_name)
      : client(std::move(owner)),
        record(std::move(lease)),
        name(std::move(lock_name)),
        session(client.get()) {}

  std::shared_ptr<Session> client;  ///< none: it was released, and is kept for its name and fence
  const std::shared_ptr<core::LeaseRecord> record;
  const std::string name;
  const Session* const session;  ///< the client's, for comparison; for threads without the handle
  /// The number of the thread that will give it back; 0: nobody knows.
  std::atomic<std::uint64_t> thread{0};
  /// The object that the thread has locked by it, so that nobody else can give it back; or null.
  std::atomic<const void*> locked_through{nullptr};

  /// Whether it can give way to `permits` of the lock `key`. True for one that holds nothing.
  [[nodiscard]] static bool is_of(const Lease& lease, const Session& client, const std::string& key,
                                  const core::Permits& permits) {
    const auto& state = lease.state_;
    return !lease || (state->client.get() == &client && state->record->key == key &&
                      core::weight_of(state->record->token).value_or(0) >= permits.weight);
  }
  /// A release of `lease` before `end`, by whatever way, leaves the lock taken until then.
  static void keep_until(const Lease& lease, core::Instant end) {
    lease.state_->record->hold_off_until = end;
  }
  /// What `lease` points to; null if it holds nothing.
  [[nodiscard]] static const std::shared_ptr<LeaseState>& of(const Lease& lease) {
    return lease ? lease.state_ : nothing();
  }
  /// Nobody knows any more who will give it back.
  static void unbind(const Lease& lease) noexcept {
    if (lease.state_) {
      lease.state_->thread = 0;
      lease.state_->locked_through = nullptr;
    }
  }
  /// Whether the thread is known that will give it back.
  [[nodiscard]] static bool is_bound(const Lease& lease) noexcept {
    return lease.state_ && lease.state_->thread != 0;
  }
  [[nodiscard]] static bool is_lost(const Lease& lease) noexcept {
    return lease && lease.state_->record->loss.load() != core::Loss::none;
  }
  /// What `lease` points to, which then holds nothing.
  [[nodiscard]] static std::shared_ptr<LeaseState> take_from(Lease& lease) {
    return lease ? std::exchange(lease.state_, nullptr) : nullptr;
  }
  /// Ends it, but for the name, the token, and the fence. Returns the client to release it by.
  [[nodiscard]] std::shared_ptr<Session> let_go() noexcept {
    thread = 0;
    locked_through = nullptr;
    return std::exchange(client, nullptr);
  }
  /// Throws that `lease` holds nothing, and why.
  [[noreturn]] static void refuse_empty(const Lease& lease);
  /// Gives the lock back, without throwing what only a user who asks can use.
  void release_quietly() noexcept;
  /// Throws what a release with this outcome throws.
  void check(core::Released::Kind outcome) const;
  /// Reports a release that was not plain.
  void log(Session& owner, core::Released::Kind outcome) const;

 private:
  static const std::shared_ptr<LeaseState>& nothing();  ///< for ever, for statics that go later
};

/// The name of what holds nothing. Never destroyed: statics that go later ask for it.
[[nodiscard]] inline const std::string& no_name() {
  static const auto& none = *new std::string;
  return none;
}

/// Keeps what a forked child inherited from being destroyed there: the sockets are its parent's.
void leave_to_parent(std::shared_ptr<const void> state) noexcept;

}  // namespace dlock::detail
