// Writing down what a leader says, again and again.
#include "client/proclamation.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "client/quiet_thread.hpp"
#include "core/keys.hpp"
#include "core/token.hpp"
#include "dlock/error.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t most_bytes = 64 * 1024;
constexpr milliseconds retry = 1s;

}  // namespace

void check_proclaimed(std::string_view value) {
  if (value.size() > most_bytes) {
    throw_error(errc::usage, "a leader's value may have at most 64 KiB, this one has " +
                                 std::to_string(value.size()) + " bytes");
  }
}

Proclamation::Proclamation(std::shared_ptr<ClientState> client, std::string key, const Lease& lease,
                           milliseconds ttl)
    : client_(std::move(client)),
      key_(std::move(key)),
      name_(lease.name()),
      token_(lease.token()),
      term_(lease.fence()),
      period_(std::max<milliseconds>(ttl, 1s)) {}

void Proclamation::proclaim(std::string_view value) {
  const std::lock_guard lock{mutex_};
  value_ = value;
  ++revision_;
  if (!keeper_.joinable()) keeper_ = quiet_thread([this] { keep(); });
  send();
}

std::string Proclamation::value() const {
  const std::lock_guard lock{mutex_};
  return value_;
}

// With the mutex held. A connection that was idle may have ended unseen: then once more.
void Proclamation::send() {
  const bool idle = store_.has_value();
  try {
    send_once();
  } catch (const Unreachable&) {
    store_.reset();
    if (!idle) throw;
    send_once();
  }
}

void Proclamation::send_once() {
  if (!store_) store_.emplace(*client_);
  const std::array keys{key_, core::leader_key(key_)};
  const auto sequence = std::to_string(core::Fence::of(term_).sequence);
  const auto revision = std::to_string(revision_);
  const auto life_ms = std::to_string((3 * period_).count());
  const std::array<std::string_view, 5> arguments{token_, sequence, revision, life_ms, value_};
  const auto reply = store_->run(script::proclaim, script::proclaim_sha, keys, arguments);
  if (reply.text.ends_with(" not_leader")) {
    throw_error(errc::lost, "the leadership of \"" + name_ + "\" (term " + std::to_string(term_) +
                                ") has ended: its lock is not ours any more");
  }
  if (const auto mute = reply.text.find(" mute "); mute != std::string::npos) {
    client_->log(LogLevel::warning, "the observers of \"" + name_ + "\" were not told: " +
                                        redis::classify(reply.text.substr(mute + 6)).what);
  }
}

void Proclamation::keep() {
  std::unique_lock lock{mutex_};
  auto pause = period_;
  while (!changed_.wait_for(lock, pause, [this] { return withdrawn_; })) {
    pause = period_;
    try {
      send();
    } catch (const LockLost&) {
      return;  // the holder is told by its lease
    } catch (const Error& error) {
      client_->log(LogLevel::warning,
                   std::string{"a leader's value was not kept: "} + error.what());
      pause = retry;
    }
  }
}

void Proclamation::withdraw() noexcept {
  {
    const std::lock_guard lock{mutex_};
    try {
      if (!std::exchange(withdrawn_, true) && store_) {
        const std::array keys{core::leader_key(key_)};
        const auto sequence = std::to_string(core::Fence::of(term_).sequence);
        const std::array<std::string_view, 2> arguments{token_, sequence};
        (void)store_->run(script::resign, script::resign_sha, keys, arguments);
      }
    } catch (const std::exception&) {
      store_.reset();  // without its lock the value does not count, and it expires
    }
  }
  changed_.notify_all();
  if (keeper_.joinable()) keeper_.join();
}

}  // namespace dlock::detail
