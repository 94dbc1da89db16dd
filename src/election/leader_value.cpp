// Writes a leader's value to the servers, again and again.
#include "election/leader_value.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/clock.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t max_bytes = 64 * 1024;
constexpr milliseconds initial_pause = 50ms;
constexpr milliseconds retry_pause = 1s;
constexpr milliseconds farewell = 100ms;  // for the servers behind a majority

}  // namespace

void check_proclaimed(std::string_view value) {
  if (value.size() > max_bytes) {
    throw_error(errc::usage, "a leader's value may have at most 64 KiB, this one has " +
                                 std::to_string(value.size()) + " bytes");
  }
}

LeaderValue::LeaderValue(const Lease& lease)
    : client_(LeaseState::of(lease)->client),
      lease_(LeaseState::of(lease)->record),
      name_(lease.name()),
      period_(std::max(std::chrono::ceil<milliseconds>(lease_->ttl), milliseconds{1s})),
      servers_(client_->config(), lease_->key) {}

void LeaderValue::proclaim(std::string_view value, const std::stop_token& stop) {
  const std::lock_guard lock{mutex_};
  value_ = value;
  ++revision_;
  if (!repeater_.joinable()) repeater_ = runtime::background_thread([this] { repeat(); });
  changed_.notify_all();
  try {
    send(stop);
  } catch (const Unreachable&) {
    if (revision_ == 1) throw;
    send(stop);  // the connection may have ended while it was idle
  }
}

std::string LeaderValue::value() const {
  const std::lock_guard lock{mutex_};
  return value_;
}

// To be called with the mutex held. Throws if no majority has the value now.
void LeaderValue::send(const std::stop_token& stop) {
  const std::array keys{std::string{lease_->key.text()}, core::leader_key(lease_->key)};
  const auto counter = std::to_string(lease_->fence.counter);
  const auto sequence = std::to_string(lease_->fence.sequence);
  const auto revision = std::to_string(revision_);
  const auto life_ms = std::to_string((3 * period_).count());
  const std::array<std::string_view, 7> arguments{core::echo_of(lease_->token),
                                                  core::client_of(lease_->token),
                                                  counter,
                                                  sequence,
                                                  revision,
                                                  life_ms,
                                                  value_};
  const auto count_followers = [](const ServerSet::Replies& replies) {
    return static_cast<std::size_t>(std::ranges::count_if(
        replies, [](const auto& reply) { return !reply.ends_with(" not_leader"); }));
  };
  const auto decide = [&](const ServerSet::Replies& replies, std::size_t open) {
    const auto followers = count_followers(replies);
    return followers >= servers_.majority() || followers + open < servers_.majority();
  };
  const auto replies = servers_.run({script::proclaim, keys, arguments}, decide, {stop});
  for (const auto& reply : replies) {
    if (const auto mute = reply.find(" mute "); mute != std::string::npos) {
      client_->log(LogLevel::warning, "could not tell the observers of \"" + name_ +
                                          "\": " + redis::classify(reply.substr(mute + 6)).what);
    }
  }
  if (count_followers(replies) >= servers_.majority()) return;
  // The lease may be about to be taken again on some servers.
  if (servers_.size() > 1 && lease_->left(runtime::now()) > core::Duration::zero()) {
    throw_error(errc::unreachable, "the value of the leader of \"" + name_ +
                                       "\" is not on a majority of the servers yet; dlock tries "
                                       "again");
  }
  throw_error(errc::lost, "the leadership of \"" + name_ + "\" (term " +
                              std::to_string(lease_->fence.number()) +
                              ") has ended: its lock was lost");
}

// Repeats the value every period, on several servers sooner at first: one of them may have got its
// part of the lock, or the value, after the majority had it.
void LeaderValue::repeat() {
  std::unique_lock lock{mutex_};
  const auto initial = servers_.size() == 1 ? period_ : initial_pause;
  for (auto pause = initial;;) {
    const auto revision = revision_;
    if (changed_.wait_for(lock, pause, [&] { return withdrawn_ || revision_ != revision; })) {
      if (withdrawn_) return;
      pause = initial;
      continue;
    }
    try {
      send(ends_.get_token());
      pause = std::min(2 * pause, period_);
    } catch (const LockLost&) {
      return;  // the lease tells the holder
    } catch (const Cancelled&) {
      return;
    } catch (const Error& error) {
      client_->log(LogLevel::warning,
                   std::string{"could not renew a leader's value: "} + error.what());
      pause = retry_pause;
    }
  }
}

void LeaderValue::withdraw() noexcept {
  const runtime::Cancellation none{PTHREAD_CANCEL_DISABLE};
  const auto end = ServerSet::Clock::now() + client_->options().request_timeout;
  ends_.request_stop();
  {
    const std::lock_guard lock{mutex_};
    try {
      if (!std::exchange(withdrawn_, true) && servers_.is_connected()) {
        const std::array keys{core::leader_key(lease_->key)};
        const auto counter = std::to_string(lease_->fence.counter);
        const auto sequence = std::to_string(lease_->fence.sequence);
        const std::array<std::string_view, 4> arguments{
            core::echo_of(lease_->token), core::client_of(lease_->token), counter, sequence};
        const auto decide = [](const ServerSet::Replies& /*replies*/, std::size_t open) {
          return open == 0;
        };
        (void)servers_.run({script::resign, keys, arguments}, decide, {{}, end, farewell});
      }
    } catch (const std::exception& error) {
      // Without its lock the value does not count.
      client_->log(
          LogLevel::debug,
          std::string{"could not delete a leader's value, which will expire: "} + error.what());
    }
  }
  changed_.notify_all();
  if (repeater_.joinable()) repeater_.join();
}

}  // namespace dlock::detail
