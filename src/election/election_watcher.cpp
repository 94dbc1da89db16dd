// The observer's loop: look, sleep until told or until it is time, look again.
#include "election/election_watcher.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "core/wire/command.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds look_again =
    2500ms;  // like a waiter for a lock: finds what a lost message would have told
constexpr milliseconds retry = 100ms;

// The reply of leader.lua.
ElectionState read(std::string_view reply) {
  ElectionState state;
  core::Words words{reply};
  std::int64_t left_ms = 0;
  if (core::parse_exact(words.next(), left_ms)) state.left = milliseconds{left_ms};
  core::Fence term;
  std::int64_t revision = 0;
  if (core::parse_exact(words.next(), term.counter) &&
      core::parse_number(words.next(), term.sequence) &&
      core::parse_exact(words.next(), revision)) {
    state.leader = Leader{std::string{words.rest()}, term.number(), revision};
  }
  return state;
}

// The number of servers that name a leader, by its term.
std::map<std::int64_t, std::size_t> count_terms(const ServerSet::Replies& replies) {
  std::map<std::int64_t, std::size_t> counts;
  for (const auto& reply : replies) {
    if (const auto leader = read(reply).leader) ++counts[leader->term];
  }
  return counts;
}

}  // namespace

// The leader's last value counts: any two majorities share a server, so one server here has it.
ElectionState look_at_election(ServerSet& servers, std::string_view key, const RunLimits& limits) {
  const std::array keys{std::string{key}, core::leader_key(key)};
  const auto leads = [&](const auto& term) { return term.second >= servers.majority(); };
  const auto decide = [&](const ServerSet::Replies& replies, std::size_t open) {
    std::size_t largest = 0;
    for (const auto& [term, count] : count_terms(replies)) largest = std::max(largest, count);
    return largest >= servers.majority() || largest + open < servers.majority();
  };
  const auto replies = servers.run({script::leader, keys, {}}, decide, limits);
  const auto terms = count_terms(replies);
  const auto term = std::ranges::find_if(terms, leads);
  ElectionState state;
  for (const auto& reply : replies) {
    auto [leader, left] = read(reply);
    if (left && (!state.left || *left < *state.left)) state.left = left;
    if (term != terms.end() && leader && leader->term == term->first &&
        (!state.leader || leader->revision > state.leader->revision)) {
      state.leader = std::move(leader);
    }
  }
  return state;
}

ElectionWatcher::ElectionWatcher(std::shared_ptr<Session> client, std::string key)
    : client_(std::move(client)), key_(std::move(key)), servers_(client_->config(), key_) {
  servers_.listen(core::leader_key(key_));
}

std::optional<LeaderChange> ElectionWatcher::next(std::optional<Clock::time_point> deadline,
                                                  const std::stop_token& stop) {
  client_->check_process();
  wake_.clear();
  const std::stop_callback on_stop{stop, [this] { wake_.notify(); }};
  for (;;) {
    if (stop.stop_requested()) {
      throw_error(errc::cancelled, "observing the election was cancelled");
    }
    if (auto change = look_if_due(deadline.value_or(Clock::time_point::max()), stop)) {
      return change;
    }
    take_news();
    const auto now = Clock::now();
    if (look_at_ <= now) continue;
    if (deadline && *deadline <= now) return std::nullopt;
    sleep_until(deadline ? std::min(*deadline, look_at_) : look_at_);
  }
}

std::optional<LeaderChange> ElectionWatcher::look_if_due(Clock::time_point end,
                                                         const std::stop_token& stop) {
  const auto now = Clock::now();
  if (now < look_at_) return std::nullopt;
  if (!unanswered_since_) unanswered_since_ = now;
  const auto timeout = client_->options().request_timeout;
  const auto last = *unanswered_since_ + client_->options().patience;
  try {
    auto change = look({stop, std::min(end, std::max(last, now + timeout))});
    unanswered_since_.reset();
    return change;
  } catch (const Unreachable&) {
    fail_for_now(last);
  } catch (const StoreUnusable& error) {
    if (error.reason() != errc::loading) throw;
    fail_for_now(last);
  }
  return std::nullopt;
}

// To be called in a handler: rethrows the error if it has lasted for too long.
void ElectionWatcher::fail_for_now(Clock::time_point last) {
  const auto now = Clock::now();
  look_at_ = now + retry;
  if (now < last) return;
  unanswered_since_.reset();
  throw;
}

// Drops a single server's message that arrives before its reply: the script ran after the change.
std::optional<LeaderChange> ElectionWatcher::look(const RunLimits& limits) {
  auto state = look_at_election(servers_, key_, limits);
  // The lock exists until the end of its last millisecond.
  const auto pause = state.left ? std::min(*state.left + 1ms, look_again) : look_again;
  look_at_ = Clock::now() + pause;
  return change_to(std::move(state.leader));
}

std::optional<LeaderChange> ElectionWatcher::change_to(std::optional<Leader> leader) {
  using Kind = LeaderChange::Kind;
  // This change may have been reported already, while a majority was still missing.
  if (leader && leader_ && leader->term == leader_->term && leader->revision < leader_->revision) {
    return std::nullopt;
  }
  const auto former = std::exchange(leader_, std::move(leader));
  const bool first = !std::exchange(told_, true);
  if (!leader_) {
    return first || former ? std::optional{LeaderChange{Kind::vacant, {}}} : std::nullopt;
  }
  if (!former || former->term != leader_->term) return LeaderChange{Kind::elected, *leader_};
  if (former->revision != leader_->revision) return LeaderChange{Kind::proclaimed, *leader_};
  return std::nullopt;
}

void ElectionWatcher::take_news() {
  if (servers_.take_news()) look_at_ = {};
}

void ElectionWatcher::sleep_until(Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
  std::vector<pollfd> ready{{wake_.fd(), POLLIN, 0}};
  servers_.watch(ready);
  (void)::poll(ready.data(), ready.size(), static_cast<int>(std::max(left, 0ms).count()));
}

}  // namespace dlock::detail
