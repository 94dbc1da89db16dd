// ServerSet: runs a script on all servers that have a key: on the only one, or on each server of a
// quorum. It does not wait for slow or dead servers if there is a majority without them.
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
#include "script/script.hpp"
#include "store/connector.hpp"

namespace dlock::detail {

class StoreConfig;

/// A script, its keys and its arguments.
struct ScriptCall {
  const script::Script& what;
  std::span<const std::string> keys;
  std::span<const std::string_view> arguments;
};

/// When a run ends although the replies do not decide.
struct RunLimits {
  std::stop_token stop{};
  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();
  /// How long to wait for the others once a majority has replied.
  std::chrono::milliseconds linger = std::chrono::milliseconds::max();
};

/// Has connections beside the client's shared ones, and reconnects by itself; on a cluster, to the
/// node that has the key. Not thread-safe.
class ServerSet {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;
  /// The replies, in no order.
  using Replies = std::vector<std::string>;
  /// Whether `replies` decide, whatever the `open` other servers will reply.
  using Decides = std::function<bool(const Replies& replies, std::size_t open)>;

  /// Connects when first needed.
  ServerSet(const StoreConfig& config, std::string_view key);
  ServerSet(const ServerSet&) = delete;
  ServerSet& operator=(const ServerSet&) = delete;

  /// Runs a script, whose replies are texts, on all servers. Returns when the replies decide, or
  /// when no other server is expected to reply; at the latest `linger` after a majority has
  /// replied. Throws `Unreachable`, `Refused` or `StoreUnusable` if no majority replies, and
  /// `Cancelled`.
  [[nodiscard]] Replies run(const ScriptCall& call, const Decides& decide,
                            const RunLimits& limits = {});
  /// Whether there are connections to a majority.
  [[nodiscard]] bool is_connected() const;
  /// Subscribes to `channel` on all servers, before it runs anything else.
  void listen(std::string channel) { channel_ = std::move(channel); }
  /// Adds the descriptors that become readable when there may be news.
  void watch(std::vector<pollfd>& ready);
  /// Reads what arrived. True: a message came, or one may have been missed.
  [[nodiscard]] bool take_news();

  /// The number of servers.
  [[nodiscard]] std::size_t size() const noexcept { return servers_.size(); }
  /// The number of replies that make a majority.
  [[nodiscard]] std::size_t majority() const noexcept { return size() / 2 + 1; }

 private:
  class Intake;

  struct Owed {
    std::uint64_t round = 0;  ///< number of the `run`; 0: of the subscription
    Clock::time_point sent;
  };
  struct Server {
    redis::Connection::Settings settings{};
    Connector connector{};
    std::unique_ptr<redis::Connection> connection{};
    std::deque<Owed> owed{};      ///< the replies to come, in order
    Clock::time_point dial_at{};  ///< not before this: a server may hang up again and again
    Clock::time_point dial_by{};
    /// It timed out or is unreachable: runs skip it until it answers again.
    bool suspect = false;
    std::optional<redis::ServerError> problem{};  ///< why it did not reply when last asked
    // In this round:
    bool asked = false;
    bool asked_plain = false;  ///< by a script without its first line
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
  const std::shared_ptr<runtime::EventFd> wake_ = std::make_shared<runtime::EventFd>();
  std::vector<Server> servers_;
  std::string channel_;
  bool has_news_ = false;
  std::uint64_t round_ = 0;
  const ScriptCall* call_ = nullptr;  ///< in this round
  Replies replies_;
};

}  // namespace dlock::detail
