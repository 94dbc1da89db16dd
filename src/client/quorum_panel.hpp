// QuorumPanel: all servers of a quorum at once. Who is slow or gone is not waited for.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connector.hpp"
#include "client/panel.hpp"
#include "client/wake.hpp"
#include "dlock/error.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

class QuorumPanel final : public Panel {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit QuorumPanel(const ClientState& client);

  using Panel::run;
  Votes run(const ScriptCall& call, const Decides& decide, Milliseconds patience) override;
  bool is_connected() const override;
  void listen(std::string channel) override { channel_ = std::move(channel); }
  void watch(std::vector<pollfd>& ready) override;
  bool take_news() override;

 private:
  using Clock = std::chrono::steady_clock;
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
    // Of this round:
    bool asked = false;
    bool voted = false;
    bool dialled = false;
    std::optional<redis::ServerError> problem{};
  };

  void begin_round(const ScriptCall& call);
  void dial(Server& server);
  void take_dialled(Server& server);
  void ask(Server& server, bool whole);
  void receive(Server& server);
  void drop(Server& server, const std::string& why);
  void give_up(Server& server, redis::ServerError problem);
  void go_on();
  void wait(Clock::time_point end);
  [[nodiscard]] bool is_expected(const Server& server) const;
  [[nodiscard]] static std::optional<Clock::time_point> deadline_of(const Server& server,
                                                                    Milliseconds timeout);
  [[noreturn]] void fail() const;

  const Milliseconds timeout_;
  const std::shared_ptr<Wake> wake_ = std::make_shared<Wake>();
  std::vector<Server> servers_;
  std::string channel_;
  bool has_news_ = false;
  std::uint64_t round_ = 0;
  const ScriptCall* call_ = nullptr;  ///< of this round
  Votes votes_;
};

}  // namespace dlock::detail
