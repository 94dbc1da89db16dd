// ServerSet: the servers that have a key, asked as one: a single one, or each of a quorum's. Who is
// slow or gone is not waited for when there is a majority without.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/error.hpp"
#include "redis/connection.hpp"
#include "runtime/event_fd.hpp"
#include "store/connector.hpp"

namespace dlock::detail {

class StoreConfig;

/// A script of ours, and what it is run with.
struct ScriptCall {
  std::string_view script;
  std::string_view sha;
  std::span<const std::string> keys;
  std::span<const std::string_view> arguments;
};

/// What ends a run that the servers do not decide.
struct RunLimits {
  std::stop_token stop{};
  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();
  /// When a majority has replied.
  std::chrono::milliseconds patience = std::chrono::milliseconds::max();
};

/// Over connections beside the client's shared ones, which come back by themselves: of a cluster to
/// the node that has the key. Not thread-safe.
class ServerSet {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;
  /// What the servers replied, in no order.
  using Replies = std::vector<std::string>;
  /// Whether what `replies` say stands, whatever `open` others may say.
  using Decides = std::function<bool(const Replies& replies, std::size_t open)>;

  /// Connects when first needed.
  ServerSet(const StoreConfig& config, std::string_view key);
  ServerSet(const ServerSet&) = delete;
  ServerSet& operator=(const ServerSet&) = delete;

  /// Runs a script on all, whose replies are texts. Returns when they decide, or when nobody else
  /// can be expected to reply; when a majority has replied, after `patience` at the latest. Throws
  /// `Unreachable`, `Refused` or `StoreUnusable` when no majority does, and `Cancelled`.
  [[nodiscard]] Replies run(const ScriptCall& call, const Decides& decide,
                            const RunLimits& limits = {});
  /// Whether there are connections to a majority.
  [[nodiscard]] bool is_connected() const;
  /// Subscribes to `channel` everywhere, before anything that is run later.
  void listen(std::string channel) { channel_ = std::move(channel); }
  /// Adds what becomes readable when there may be news.
  void watch(std::vector<pollfd>& ready);
  /// Reads what came. True: a message, or something may have been missed.
  [[nodiscard]] bool take_news();

  /// How many there are.
  [[nodiscard]] std::size_t size() const noexcept { return servers_.size(); }
  /// How many replies are a majority.
  [[nodiscard]] std::size_t majority() const noexcept { return size() / 2 + 1; }

 private:
  class Intake;

  struct Owed {
    std::uint64_t round = 0;  ///< of `run`; 0: a subscription's
    Clock::time_point sent;
  };
  struct Server {
    redis::Connection::Settings settings{};
    Connector connector{};
    std::unique_ptr<redis::Connection> connection{};
    std::deque<Owed> owed{};      ///< replies, in their order
    Clock::time_point dial_at{};  ///< not before: it may be one that hangs up again and again
    Clock::time_point dial_by{};
    /// It did not answer in time, or cannot be reached: others do not wait for it.
    bool suspect = false;
    std::optional<redis::ServerError> problem{};  ///< why it did not reply when last asked
    // Of this round:
    bool asked = false;
    bool replied = false;
    bool dialled = false;
    int moves = 0;
  };

  void begin_round(const ScriptCall& call);
  void dial(Server& server);
  void take_dialled(Server& server);
  void ask(Server& server, bool whole);
  void receive(Server& server);
  void drop(Server& server, const std::string& why);
  void follow(Server& server, redis::ServerError problem);
  void give_up(Server& server, redis::ServerError problem);
  void go_on();
  void wait(Clock::time_point end);
  [[nodiscard]] bool is_expected(const Server& server) const;
  [[nodiscard]] static std::optional<Clock::time_point> deadline_of(const Server& server,
                                                                    Milliseconds timeout);
  [[noreturn]] void fail() const;

  const Milliseconds timeout_;
  const std::shared_ptr<EventFd> wake_ = std::make_shared<EventFd>();
  std::vector<Server> servers_;
  std::string channel_;
  bool has_news_ = false;
  std::uint64_t round_ = 0;
  const ScriptCall* call_ = nullptr;  ///< of this round
  Replies replies_;
};

}  // namespace dlock::detail
