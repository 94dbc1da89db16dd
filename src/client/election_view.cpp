// The observer's loop: look, sleep until told or until it is time, look again.
#include "client/election_view.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/keys.hpp"
#include "core/token.hpp"
#include "dlock/error.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds look_again = 2500ms;  // as a waiter of a lock: repairs what was lost
constexpr milliseconds retry = 100ms;
constexpr int patience = 5;  // request timeouts, as a waiter has

}  // namespace

ElectionState look_at_election(Inspector& store, const std::string& key) {
  const std::array keys{key, core::leader_key(key)};
  const auto reply = store.run(script::leader, script::leader_sha, keys, {});
  ElectionState state;
  const auto& parts = reply.elements;
  std::int64_t left_ms = 0;
  if (!parts.empty() && core::parse_exact(parts[0].text, left_ms))
    state.left = milliseconds{left_ms};
  core::Fence term;
  std::int64_t revision = 0;
  if (parts.size() == 5 && core::parse_exact(parts[1].text, term.counter) &&
      core::parse_number(parts[2].text, term.sequence) &&
      core::parse_exact(parts[3].text, revision)) {
    state.leader = Leader{parts[4].text, term.number(), revision};
  }
  return state;
}

ElectionView::ElectionView(std::shared_ptr<ClientState> client, std::string key)
    : client_(std::move(client)), key_(std::move(key)) {}

std::optional<LeaderChange> ElectionView::next(std::optional<Clock::time_point> deadline,
                                               const std::stop_token& stop) {
  client_->check_process();
  wake_.clear();
  const std::stop_callback on_stop{stop, [this] { wake_.notify(); }};
  for (;;) {
    if (stop.stop_requested()) {
      throw_error(errc::cancelled, "observing the election was cancelled");
    }
    if (auto change = look_if_due()) return change;
    take_messages();
    const auto now = Clock::now();
    if (look_at_ <= now) continue;
    if (deadline && *deadline <= now) return std::nullopt;
    sleep_until(deadline ? std::min(*deadline, look_at_) : look_at_);
  }
}

std::optional<LeaderChange> ElectionView::look_if_due() {
  if (Clock::now() < look_at_) return std::nullopt;
  try {
    auto change = look();
    failing_since_.reset();
    return change;
  } catch (const Unreachable&) {
    fail_for_now();
  } catch (const StoreUnusable& error) {
    if (error.reason() != errc::loading) throw;
    fail_for_now();
  }
  return std::nullopt;
}

// Called while an error is handled: throws it on when it has lasted for too long.
void ElectionView::fail_for_now() {
  store_.reset();
  const auto now = Clock::now();
  look_at_ = now + retry;
  if (!failing_since_) failing_since_ = now;
  if (now - *failing_since_ < patience * client_->options().request_timeout) return;
  failing_since_.reset();
  throw;
}

// A message that arrives before the reply is dropped: the script ran after what it tells of.
std::optional<LeaderChange> ElectionView::look() {
  if (!store_) {
    store_.emplace(*client_);
    subscribed_ = false;
  }
  if (!subscribed_) {
    store_->call({"SSUBSCRIBE", core::leader_key(key_)});
    subscribed_ = true;
  }
  auto state = look_at_election(*store_, key_);
  // The lock is there up to and including its last millisecond.
  const auto pause = state.left ? std::min(*state.left + 1ms, look_again) : look_again;
  look_at_ = Clock::now() + pause;
  return change_to(std::move(state.leader));
}

std::optional<LeaderChange> ElectionView::change_to(std::optional<Leader> leader) {
  using Kind = LeaderChange::Kind;
  const auto former = std::exchange(leader_, std::move(leader));
  const bool first = !std::exchange(told_, true);
  if (!leader_) {
    return first || former ? std::optional{LeaderChange{Kind::vacant, {}}} : std::nullopt;
  }
  if (!former || former->term != leader_->term) return LeaderChange{Kind::elected, *leader_};
  if (former->revision != leader_->revision) return LeaderChange{Kind::proclaimed, *leader_};
  return std::nullopt;
}

void ElectionView::take_messages() {
  if (!store_ || store_->connection_of(core::leader_key(key_)).receive(*this)) return;
  store_.reset();
  look_at_ = {};
}

void ElectionView::sleep_until(Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
  pollfd ready[] = {{wake_.fd(), POLLIN, 0},
                    {store_ ? store_->connection_of(core::leader_key(key_)).fd() : -1, POLLIN, 0}};
  (void)::poll(ready, 2, static_cast<int>(std::max(left, 0ms).count()));
}

}  // namespace dlock::detail
