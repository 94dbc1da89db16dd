// Session: the calls of a client's handles. It asks the router, waits for its answers, and carries
// out its actions; `EventLoop` has the threads for that.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/router/router.hpp"
#include "core/wire/pool.hpp"
#include "dlock/client.hpp"
#include "dlock/options.hpp"
#include "dlock/stats.hpp"
#include "runtime/callbacks.hpp"
#include "session/elections.hpp"
#include "session/event_loop.hpp"
#include "session/events.hpp"
#include "session/topology.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {

class Session;
class Replication;

/// An object that a room above this one keeps with a client.
class Companion {
 public:
  Companion() = default;
  virtual ~Companion() = default;
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  /// The client is being destroyed. It does not wait.
  virtual void end() = 0;

  using Make = std::unique_ptr<Companion> (*)(Session&);
};

/// Thread-safe.
class Session final : private EventLoop::Work {
 public:
  Session(redis::Endpoint endpoint, ClientOptions options);
  /// Waits for releases under way, at most one request timeout.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The lock of a call, and how it is counted.
  struct Wanted {
    const core::Key& key;
    const LockOptions& options;
    core::GroupId group = 0;
  };
  /// The group of a lock in the statistics. Calls the user's function, and throws what that throws.
  [[nodiscard]] core::GroupId group_of(std::string_view name);

  /// A thread with an event loop of its own polls the sockets: `EventLoop::expect_visits`.
  bool expect_visits(std::shared_ptr<runtime::ReadySockets> set, std::uint64_t number) {
    return loop_.expect_visits(std::move(set), number);
  }
  void visit() { loop_.visit(); }
  void end_visit() { loop_.end_visit(); }

  /// Acquires a lock. It waits for `limit` at most: without one for as long as it takes; zero or
  /// less, it tries once. Returns null when the limit has passed. Throws `Cancelled`,
  /// `Unreachable`, `Refused`, `StoreUnusable`, and `UsageError` for a number of permits that is
  /// not the lock's. With `former` it ends that lease and takes its place in one step, and returns
  /// null if that lease was over before. `place`: where to put the place in the queue if the limit
  /// has passed; see `core::Refusal::place`.
  [[nodiscard]] std::shared_ptr<core::LeaseRecord> acquire(
      const Wanted& wanted, std::optional<std::chrono::milliseconds> limit,
      const std::stop_token& stop, const std::optional<core::Permits>& permits = {},
      const core::LeaseRecord* former = nullptr, std::int64_t* place = nullptr);
  /// Acquires all locks, whose keys are different and in one slot, or none, without waiting.
  /// Returns nothing if one was not free. Throws what `acquire` throws.
  [[nodiscard]] std::vector<std::shared_ptr<core::LeaseRecord>> try_all(
      const std::vector<Wanted>& all, const std::stop_token& stop);
  /// Carries out `gate`, or waits there, with the limit and the errors of `acquire`. The counter in
  /// the fence of the result is what the server said; nobody holds it. Returns null when the limit
  /// has passed. A caller with a ticket stands in a queue, and leaves it even if `stop` was
  /// requested before.
  [[nodiscard]] std::shared_ptr<core::LeaseRecord> at_gate(
      std::string_view name, core::Gate gate, std::optional<std::chrono::milliseconds> limit = {},
      const std::stop_token& stop = {});
  /// Releases a lock. Returns what the server said.
  core::Released::Kind release(const core::LeaseRecord& lease);
  /// Releases many locks together.
  std::vector<core::Released::Kind> release_all(
      const std::vector<std::shared_ptr<core::LeaseRecord>>& leases);

  /// The outcome of a wait or a release.
  using Answer = std::variant<std::monostate, core::Obtained, core::Refusal, core::Released>;
  /// Begins to acquire a lock; `then` gets the answer, as `Answer&`, on the callback thread or
  /// where the executor runs it. `then` keeps the session alive. Throws only what keeps it from
  /// beginning. async_call.hpp has its body.
  template <class Then>
  void async_acquire(const Wanted& wanted, std::optional<std::chrono::milliseconds> limit,
                     const std::stop_token& stop, const std::optional<core::Permits>& permits,
                     Then then, std::shared_ptr<EventLoop::Executor> executor = {});
  /// The same for a release.
  template <class Then>
  void async_release(const core::LeaseRecord& lease, Then then,
                     std::shared_ptr<EventLoop::Executor> executor = {});
  /// The lease's stop token; requested at once if it is lost already.
  [[nodiscard]] std::stop_token lost(core::LeaseRecord& lease);
  /// Requests `whole`, on the callback thread, when the lease is lost; also if it is already.
  void on_loss(core::LeaseRecord& lease, const std::stop_source& whole);
  /// Ends all waits and lets handlers run, before the destructor. See `Client::~Client`.
  void close();

  [[nodiscard]] Stats stats();
  /// A wait ended with `Deadlock`.
  void count_deadlock(core::GroupId group);
  /// A campaign in the election `name` begins.
  void campaigns(std::string_view name);
  /// ... and succeeded.
  void leads(std::string_view name, const core::LeaseRecord& lease);
  /// Whether the user wants events. If not, nobody calls `emit`.
  [[nodiscard]] bool has_events() const noexcept { return events_.is_on(); }
  void emit(Event&& event) { events_.emit(std::move(event)); }
  /// The id by which queues know this client, for a lock that it uses.
  [[nodiscard]] std::string id_for(std::string_view name);
  /// The only one of this client and `make`, which makes it at the first call.
  [[nodiscard]] Companion& companion(Companion::Make make);
  /// Made with the first call.
  [[nodiscard]] Replication& replication();
  [[nodiscard]] const StoreConfig& config() const noexcept { return config_; }
  [[nodiscard]] const std::string& url() const noexcept { return config_.url; }
  [[nodiscard]] const ClientOptions& options() const noexcept { return config_.options; }
  [[nodiscard]] bool is_quorum() const noexcept { return config_.is_quorum(); }
  /// Throws in a forked child.
  void check_process() const { config_.check_process(); }
  [[nodiscard]] bool is_forked() const noexcept { return config_.is_forked(); }
  void log(LogLevel level, std::string text);
  [[nodiscard]] const runtime::Callbacks& callbacks() const noexcept { return callbacks_; }
  /// Requested when the client closes; never, if it is closed already.
  [[nodiscard]] std::stop_token closing();

 private:
  class AsyncCall;
  template <class Then>
  class AsyncCallOf;
  /// A call of a blocked thread, or of a handler.
  struct Call : EventLoop::Waiter {
    std::optional<core::ServerId> asked;  ///< what `core::Router::cancel` needs; none: not asked
    bool gives_lease = true;              ///< false: its result needs no release
    Answer answer;
    std::shared_ptr<EventLoop::AsyncWaiter>
        handler;  ///< the asynchronous call; null: a thread is blocked
  };
  using Lock = EventLoop::Lock;
  static core::WaiterId id_of(const Call& call) { return reinterpret_cast<core::WaiterId>(&call); }

  [[nodiscard]] core::AcquireRequest request_for(core::Instant begin, const Wanted& wanted,
                                                 std::optional<std::chrono::milliseconds> limit,
                                                 const std::optional<core::Permits>& permits) const;
  [[nodiscard]] std::shared_ptr<core::LeaseRecord> obtain(core::Instant begin,
                                                          core::AcquireRequest request,
                                                          const std::stop_token& stop,
                                                          const core::LeaseRecord* former,
                                                          std::int64_t* place = nullptr);
  void begin_acquire(std::shared_ptr<AsyncCall> call, const Wanted& wanted,
                     std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
                     const std::optional<core::Permits>& permits);
  void begin_release(std::shared_ptr<AsyncCall> call, const core::LeaseRecord& lease);
  void cancel(const Call& call);
  void abandon(Lock& lock, Call& call);
  /// With the mutex held.
  void ask(core::Instant begin, Call& call, core::AcquireRequest&& request,
           const core::LeaseRecord* former = nullptr);
  void ask_for_release(const core::LeaseRecord& lease);

  // To be called with the mutex held:
  void wait_for_all(Lock& lock, std::vector<Call>& calls);

  void close_all();
  void withdraw();
  void carry_out(EventLoop::Write write);

  // actions.cpp: the work of the event loop.
  [[nodiscard]] bool is_idle() const override {
    return router_.idle() && !topology_.awaits_replies();
  }
  [[nodiscard]] std::optional<core::Instant> next_timer() const override;
  void add_sockets(runtime::PollSet& into) const override { topology_.add_sockets(into); }
  void show_sockets() override { topology_.show_sockets(); }
  void serve(const runtime::PollSet& ready) override;
  void carry_out() override { carry_out(EventLoop::Write::now); }
  [[nodiscard]] bool wants_write() const override { return topology_.wants_write(); }
  [[nodiscard]] bool servers_have_enough() const override {
    return topology_.servers_have_enough();
  }
  [[nodiscard]] bool servers_owe_replies() const override {
    return topology_.servers_owe_replies();
  }
  [[nodiscard]] bool awaits_replies() const override { return topology_.awaits_replies(); }
  void flush() override { topology_.flush(); }

  bool perform_actions();
  void perform(core::ServerId server, core::Action& action);
  void answer_users(core::Action& action);
  void answer(Call& call);
  void tell_whole(core::LeaseRecord& lost);
  void end_leadership(core::Instant now, const core::LeaseRecord& lease);
  void forgo(const core::LeaseRecord& lease) noexcept;

  const StoreConfig config_;

  EventLoop loop_;  ///< its mutex protects the members below
  core::Router router_;
  Topology topology_;
  std::vector<core::Action> actions_;  ///< being carried out
  Elections elections_;

  core::Pool pool_;  ///< outlives what is in it
  std::pmr::unordered_map<core::LeaseId, Call*> releases_{&pool_};
  bool is_closed_ = false;
  std::stop_source closing_;
  Call settled_;  ///< of the destructor
  bool settling_ = false;

  runtime::Callbacks callbacks_;
  Events events_;
  std::vector<std::pair<Companion::Make, std::unique_ptr<Companion>>> companions_;
  std::unique_ptr<Replication> replication_;
};

}  // namespace dlock::detail
