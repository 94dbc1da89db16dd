// QuorumWorld: clients with the real quorum over models of several servers, whose connections
// break, which go down with or without their data, and whose clocks run apart. They use a mutex and
// a reader-writer lock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/router/router.hpp"
#include "simulation/clock.hpp"
#include "simulation/random.hpp"
#include "simulation/stage.hpp"
#include "support/store_model.hpp"

namespace dlock::sim {

/// What a simulation is worth nothing without.
struct QuorumTally {
  std::uint64_t obtained = 0, lost = 0, passed = 0, busy = 0, unreachable = 0, timed_out = 0,
                cancelled = 0, raised = 0, beaten = 0, retaken = 0, wiped = 0, deleted = 0,
                pauses = 0, shared = 0, written = 0;
  QuorumTally& operator+=(const QuorumTally& other);
};

class QuorumWorld {
 public:
  explicit QuorumWorld(std::uint64_t seed);
  ~QuorumWorld();
  /// Throws `Violation` when a promise is broken.
  void run();
  [[nodiscard]] const QuorumTally& tally() const { return tally_; }

 private:
  struct Server;
  struct Link;
  struct User;
  struct Client;
  enum class Use : std::uint8_t { mutex, reader, writer };

  // The network.
  [[nodiscard]] Duration delay();
  void dial(Client& client, std::size_t node);
  void cut(Client& client, std::size_t node, bool told);
  void send(Client& client, std::size_t node, const core::Command& command);
  void execute(Client& client, std::size_t node, std::uint64_t epoch, const core::Command& command);
  void reply(Client& client, std::size_t node, std::uint64_t epoch, std::string text);
  int publish(std::size_t node, std::string_view channel, std::string_view message);

  // The clients.
  void in_client(Client& client, std::function<void()> event);
  void perform(Client& client);
  void arm(Client& client);
  void carry_out(Client& client, std::size_t node, const core::Action& action);
  void tell(Client& client, const core::Action& action);
  void begin(Client& client, User& user);
  void end(Client& client, User& user);
  void next_round(Client& client, User& user);

  // What is promised.
  void check();
  [[nodiscard]] bool somebody_reads() const;
  void check_fence(const User& user, std::int64_t fence);

  void fault();
  [[nodiscard]] bool are_served() const;
  [[nodiscard]] bool done() const;

  Random random_;
  Agenda agenda_;
  QuorumTally tally_;
  std::vector<Duration> ttls_;
  Duration longest_{};
  Duration fault_time_{};
  double mutex_share_ = 1;  ///< of what is wanted
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::int64_t fence_ = 0;             ///< the last of the mutex
  std::set<std::int64_t> all_fences_;  ///< of the reader-writer lock
  std::int64_t write_fence_ = 0;       ///< the last
  core::WaiterId last_waiter_ = 0;
};

}  // namespace dlock::sim
