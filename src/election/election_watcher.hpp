// ElectionWatcher: looks at an election, and again at each message.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "dlock/leader_observer.hpp"
#include "runtime/event_fd.hpp"
#include "session/session.hpp"
#include "store/server_set.hpp"

namespace dlock::detail {

/// The leader, and how long the server keeps the lock if nobody renews it.
struct ElectionState {
  std::optional<Leader> leader;
  std::optional<std::chrono::milliseconds> left;  ///< nullopt: it is free, or does not expire
};
/// The answer of a majority. Throws the errors of `ServerSet::run`.
[[nodiscard]] ElectionState look_at_election(ServerSet& servers, std::string_view key,
                                             const RunLimits& limits = {});

/// One caller at a time.
class ElectionWatcher {
 public:
  using Clock = std::chrono::steady_clock;

  ElectionWatcher(std::shared_ptr<Session> client, std::string key);
  /// Nullopt: the deadline passed. Throws the errors of `LeaderObserver::next`.
  [[nodiscard]] std::optional<LeaderChange> next(std::optional<Clock::time_point> deadline,
                                                 const std::stop_token& stop);
  [[nodiscard]] const std::shared_ptr<Session>& client() const noexcept { return client_; }

 private:
  std::optional<LeaderChange> look_if_due(Clock::time_point end, const std::stop_token& stop);
  std::optional<LeaderChange> look(const RunLimits& limits);
  std::optional<LeaderChange> change_to(std::optional<Leader> leader);
  void fail_for_now(Clock::time_point last);
  void take_news();
  void sleep_until(Clock::time_point end);

  const std::shared_ptr<Session> client_;
  const std::string key_;
  ServerSet servers_;
  bool told_ = false;             ///< whether anything was reported
  std::optional<Leader> leader_;  ///< the one that was reported last
  Clock::time_point look_at_{};
  std::optional<Clock::time_point> unanswered_since_;
  runtime::EventFd wake_;
};

}  // namespace dlock::detail
