// Process: a client with the real router, and around it what the shell is in the product: a clock,
// timers, one connection at a time to each server. It can be stopped and killed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/router/router.hpp"
#include "simulation/clock.hpp"
#include "simulation/network.hpp"
#include "simulation/stage.hpp"

namespace dlock::sim {

/// A waiter in a process, which learns how its wait, its lease and its release end.
class Caller {
 public:
  virtual void obtained(std::shared_ptr<core::LeaseRecord> lease) = 0;
  virtual void refused(const core::Refusal& refusal) = 0;
  virtual void lost(core::LeaseId lease) = 0;
  virtual void released(core::LeaseId lease, core::Released::Kind kind) = 0;

 protected:
  ~Caller() = default;
};

class Process final : public Wire {
 public:
  Process(Stage& stage, Network& network, ProcessId id);

  // What its threads do.
  [[nodiscard]] core::WaiterId new_waiter() { return ++last_waiter_; }
  void acquire(Caller& caller, core::WaiterId waiter, core::AcquireRequest wish);
  /// All in one step, or none.
  void acquire_all(Caller& caller,
                   std::vector<std::pair<core::WaiterId, core::AcquireRequest>> wishes);
  /// In the place of `lease`.
  void exchange(Caller& caller, core::WaiterId waiter, core::AcquireRequest wish,
                const core::LeaseRecord& lease);
  void cancel(core::WaiterId waiter);
  void release(Caller& caller, const core::LeaseRecord& lease);
  /// Lets a thread go on after `delay`, or when the process runs again.
  void later(Duration delay, std::function<void()> what);
  [[nodiscard]] core::Instant now() const { return clock_.at(stage_.now()); }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  /// Ends properly: withdraws all waits, and exits when the server knows.
  void finish();

  // What happens to it.
  void stop(Time until);
  /// Ends a stop before its time.
  void go_on_now();
  void kill(bool silently);
  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] bool stopped() const { return stopped_until_ > stage_.now(); }
  [[nodiscard]] bool ever_stopped() const { return ever_stopped_; }
  [[nodiscard]] ProcessId id() const { return id_; }

  // Wire
  void connected(ServerId server, LinkId link, bool old_is_dead) override;
  void connect_failed(ServerId server, errc code, const std::string& what) override;
  void reply(ServerId server, LinkId link, const Answer& answer) override;
  void message(ServerId server, LinkId link, const std::string& text) override;
  void closed(ServerId server, LinkId link, const std::string& why) override;
  bool has_unanswered(ServerId server) override { return router_.engine(server).has_unanswered(); }
  void acted_late() override;

 private:
  struct Outstanding {
    Caller* caller = nullptr;
    core::Instant asked;
    std::optional<core::Instant> by;  ///< the time limit
    std::int64_t newest_fence = 0;    ///< when it asked
  };
  struct Holder {
    Caller* caller = nullptr;
    std::shared_ptr<core::LeaseRecord> lease;
  };

  [[nodiscard]] static core::Router::Settings settings(Stage& stage, Random& random, ProcessId id);
  void read(std::function<void()> event);
  void go_on();
  void wake();
  void carry_out_actions();
  void run(const std::function<void()>& thread);
  void act_soon();
  void perform();
  void look_around() const;
  Outstanding answered(core::WaiterId waiter);
  void ask(Caller& caller, core::WaiterId waiter, const core::AcquireRequest& wish);
  void carry_out(ServerId server, core::Send& action);
  void carry_out(ServerId server, const core::Connect& action);
  void carry_out(ServerId server, const core::Disconnect& action);
  void carry_out(ServerId server, const core::Obtained& action);
  void carry_out(ServerId server, const core::Refusal& action);
  void carry_out(ServerId server, const core::Released& action);
  void carry_out(ServerId server, const core::Lost& action);
  void carry_out(ServerId server, const core::Report& action);
  void carry_out(ServerId, const core::Renewed&) {}  // of parts, which the router takes
  void carry_out(ServerId, const core::FenceWritten&) {}
  void carry_out(ServerId, const core::Queued&) {}
  void carry_out(ServerId, const core::RenewalBlocked&) {}
  void carry_out(ServerId, const core::Unanswered&) {}
  void arm();
  template <class Text>
  void note(std::uint64_t facts, std::string_view words, Text text) {
    stage_.note(facts * 1000 + id_, words,
                [&] { return "p" + std::to_string(id_) + " " + text(); });
  }

  /// Of the product's `ClientOptions`.
  static constexpr Duration request_timeout = std::chrono::milliseconds{2000};

  Stage& stage_;
  Network& network_;
  ProcessId id_;
  Random random_;
  Clock clock_;
  core::Router router_;
  std::vector<LinkId> links_;  ///< by server; 0: none
  bool alive_ = true, finishing_ = false, ever_stopped_ = false, acts_soon_ = false;
  Time stopped_until_{};
  Time held_off_until_{};                      ///< it keeps nobody out after that
  std::deque<std::function<void()>> unread_;   ///< what the network brought while stopped
  std::deque<std::function<void()>> waiting_;  ///< what threads would have done
  std::map<core::WaiterId, Outstanding> waiters_;
  std::map<core::LeaseId, Holder> holders_;
  std::map<core::LeaseId, Outstanding> releases_;
  core::WaiterId last_waiter_ = 0;
  std::optional<core::Instant> armed_;
  std::uint64_t alarm_ = 0;  ///< only the last alarm rings
  Time stepped_at_{};
  int steps_ = 0;
};

}  // namespace dlock::sim
