// Engine: all locks of one client on one server, without I/O. Events in, actions out.
//
// It composes the machines: an `Attempt` for each acquisition in the server's hands, a `Hold` for
// each lease, and for each name a local queue (a cohort), so that only one of this client's threads
// stands in the server's queue. The engine decides which of these acts next, and sends the
// commands. `Waiters` has the waits and their deadlines, `Link` the health of the connection,
// `Departures` the tokens to release, and `Renewals` the leases to renew. The caller owns the
// clock, the socket and the threads; it feeds every event with its instant, and carries out
// `take_actions()` in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/engine/actions.hpp"
#include "core/engine/attempt.hpp"
#include "core/engine/cohort.hpp"
#include "core/engine/contended_names.hpp"
#include "core/engine/departures.hpp"
#include "core/engine/fence_counter.hpp"
#include "core/engine/hold.hpp"
#include "core/engine/link.hpp"
#include "core/engine/renewals.hpp"
#include "core/engine/waiters.hpp"
#include "core/wire/command.hpp"
#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/pool.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "dlock/options.hpp"

namespace dlock::core {

/// Not thread-safe. Deterministic: the same events give the same actions.
class Engine {
 public:
  struct Settings {
    std::string client;        ///< 16 hexadecimal digits
    std::string registration;  ///< what other clients may read about this one, JSON
    std::string fence_key{core::fence_key};
    std::uint64_t last_id = 0;  ///< its leases get greater ids
    Drift drift;
    std::optional<Duration> safety_margin{};
    Duration request_timeout = std::chrono::seconds{2};
    /// How long waits go on while no server answers.
    Duration patience = std::chrono::seconds{10};
    /// A connection that is silent for so long is pinged, also when nobody waits; none: it is not.
    std::optional<Duration> keep_alive{};
    /// Watches the keys of leases that are older than a second; the caller must report
    /// `on_changed`.
    bool watches = false;
    bool always_scripts = false;  ///< also where nobody waits
    RandomSource random;
    std::shared_ptr<Statistics> statistics{};  ///< null: one of its own
  };

  explicit Engine(Settings settings);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Requests of users. `waiter` must be new; exactly one Obtained or Refusal answers it.
  void acquire(Instant now, WaiterId waiter, AcquireRequest&& request);
  /// Takes several mutexes, all of different names and with the same ttl, if all are free and
  /// without waiters, and otherwise none; does not wait. Answers each waiter as `acquire` does.
  /// After a lost answer or an error, some may be obtained and others not: the caller then releases
  /// those.
  void acquire_all(Instant now, std::vector<std::pair<WaiterId, AcquireRequest>> requests);
  /// Ends `lease` and takes `request` in its place in one step, at a weight that is not greater.
  /// Refuses as busy if the lease was over. Permits only; does not wait.
  void exchange(Instant now, WaiterId waiter, AcquireRequest request, const LeaseRecord& lease);
  /// Ends a wait with a Refusal, cancelled; does nothing if it is over.
  void cancel(Instant now, WaiterId waiter);
  /// Exactly one Released answers it, within one request timeout; at once if the server cannot
  /// answer.
  void release(Instant now, const LeaseRecord& lease);
  /// Whether the server is known to be silent: no release waits for its answer from now on.
  void count_as_silent(bool silent) { is_silent_ = silent; }
  /// Has the server write `counter` as the fence of `lease`, whose record no other thread reads.
  /// `is_new`: no user has seen the counter yet, so with permits the server may refuse it as not
  /// free. One FenceWritten answers it, unless the lease ends before.
  void write_fence(Instant now, const LeaseRecord& lease, std::int64_t counter, bool is_new);
  /// The sequence of `lease` has grown, and the server's record must follow soon.
  void record(Instant now, const LeaseRecord& lease);
  /// Ends all waits and withdraws them; leases go on. No `acquire` after this.
  void close(Instant now);
  /// Removes this client's registration from the server, if there is a connection.
  void withdraw(Instant now);
  /// Only without a connection: whether a script sees only one slot from now on, and so needs the
  /// fence counter of that.
  void use_fences_of_slots(bool has_slots) { has_slots_ = has_slots; }
  /// The same for the fence counter of an engine whose locks are all in one slot.
  void use_fence(std::string key) { settings_.fence_key = std::move(key); }
  /// Takes out the waits with which another engine can go on, in order, and withdraws what they
  /// have on the server; leases and the other waits stay.
  [[nodiscard]] std::vector<std::pair<WaiterId, AcquireRequest>> take_waits(Instant now);

  // Events of the connection. Between on_connected and the Disconnect action or on_disconnected,
  // replies come in the order of the commands.
  /// `old_is_dead`: the server runs nothing more from earlier connections.
  void on_connected(Instant now, bool old_is_dead);
  /// `may_recover`: another attempt may succeed, so that waits go on for their patience.
  void on_connect_failed(Instant now, errc code, const std::string& what, bool may_recover = true);
  void on_disconnected(Instant now, const std::string& why);
  void on_reply(Instant now, const Reply& reply);
  /// The server confirmed a lease whose renewal was blocked, in reply to a request with its ttl
  /// that left at `sent`.
  void on_unblocked(Instant now, const LeaseRecord& lease, Instant sent);
  /// A message on this client's channel.
  void on_message(Instant now, std::string_view message);
  /// Another client, or the server, changed a watched key; none: it forgot all keys.
  void on_changed(Instant now, std::optional<std::string_view> key);

  /// To be called at `next_timer()`; harmless at other times.
  void on_timer(Instant now);
  [[nodiscard]] std::optional<Instant> next_timer() const;

  [[nodiscard]] std::vector<Action> take_actions();
  /// Puts them into `into`, in place of its former actions, and reuses its memory.
  void take_actions(std::vector<Action>& into) {
    into.clear();
    into.swap(output_.actions);
  }

  /// Whether an acquire from an earlier connection has no answer: only then `old_is_dead` matters.
  [[nodiscard]] bool has_unanswered() const { return unanswered_; }
  /// No waits, no leases, no releases under way.
  [[nodiscard]] bool idle() const { return cohorts_.empty() && departures_.empty(); }
  /// No releases worth waiting for: none of a lease, and none without an answer; or the server is
  /// silent.
  [[nodiscard]] bool settled() const { return is_silent_ || departures_.settled(); }
  [[nodiscard]] const Counters& counters() const { return output_.counters; }
  /// With those of all engines that share its `Settings::statistics`.
  [[nodiscard]] Stats stats() const {
    auto stats = output_.statistics->stats();
    counters().add_to(stats);
    return stats;
  }
  [[nodiscard]] const std::string& client() const { return settings_.client; }

 private:
  struct RandomHash {
    std::size_t operator()(const RandomBits& random) const noexcept { return random[0]; }
  };
  using DepartureId = Departures::Id;
  /// A command whose reply is outstanding.
  struct Pending {
    Verb verb{};
    Instant sent;
    Duration ttl{};              ///< acquire
    bool syncs_counter = false;  ///< acquire: on success the server has synced its counter
    bool bare = false;           ///< acquire, release: without the script
    CohortPtr cohort;            ///< acquire, write_fence
    Token token;                 ///< acquire, release, write_fence; renew: of the first lease
    DepartureId departure = 0;   ///< release; acquire: the release that it carries
    std::vector<Pending> parts;  ///< acquire_all: as if each was sent alone
    std::shared_ptr<RenewalBatch> renewal;  ///< renew; watch: what it watches
    std::int64_t counter = 0;               ///< write_fence: the fence to write
    bool is_new = false;                    ///< write_fence: no user has seen it yet
  };

  // engine.cpp: the routing of events.
  bool take_step(Instant now);
  void time_out(Instant now);
  void arm(const CohortPtr& cohort, TimerKind kind, std::optional<Timers::Handle>& slot,
           std::optional<Instant> when);
  void rearm(const CohortPtr& cohort);
  void erase_if_idle(const CohortPtr& cohort);
  template <class Kind>
  void act(Kind&& action) {
    output_.act(std::forward<Kind>(action));
  }

  // engine_watch.cpp: the server tells of changes.
  void watch(Instant now, const std::vector<CohortPtr>& cohorts);
  void watch_foreign(Instant now, const CohortPtr& cohort);
  void on_watch_reply(Instant now, const Pending& pending, const Reply& reply);
  void stop_watching(Cohort& cohort);
  void doubt(Instant now, const CohortPtr& cohort);
  // engine_slots.cpp: where a script sees only one slot.
  void name_fence(Command& command) const;
  [[nodiscard]] bool may_move(const Cohort& cohort) const;
  [[nodiscard]] static std::vector<CohortPtr> split_off_other_slots(std::vector<CohortPtr>& due);

  // engine_link.cpp: the connection.
  Pending& send(Instant now, Command&& command);
  void need_connection();
  void drop(Instant now, const std::string& why);
  void drop_shifted(Instant now, const Pending& pending);
  void forget_connection(Instant now, const std::string& why);
  void take_back_inflight(Instant now);
  void fail_all(Instant now, errc code, const std::string& what, bool only_impatient);
  void link_timer(Instant now);
  [[nodiscard]] Instant answer_due() const;
  [[nodiscard]] std::optional<Instant> ping_at() const;
  [[nodiscard]] bool wants_connection() const;
  void enroll(Instant now);
  void resume_attempts(Instant now, bool old_is_dead);
  void leave_token_behind(Instant now, const CohortPtr& cohort);

  // engine_acquire.cpp: from a request to a lease.
  CohortPtr enter_cohort(Instant now, WaiterId waiter, AcquireRequest&& request);
  [[nodiscard]] Token token_of(RandomBits random, const LockId& lock, const Permits& permits,
                               Duration ttl) const;
  void make_attempt(Instant now, const CohortPtr& cohort);
  void start_attempt(Instant now, const CohortPtr& cohort, DepartureId gives_up);
  void ask(Instant now, const CohortPtr& cohort, DepartureId gives_up, bool whole);
  void step(Instant now, const CohortPtr& cohort, const Attempt::Step& step);
  void own(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired);
  void pass_gate(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired);
  void fail_front(Instant now, const CohortPtr& cohort, Refusal refusal);
  void end_attempt(Instant now, const CohortPtr& cohort, Refusal refusal);
  void abandon_attempt(Instant now, const CohortPtr& cohort);
  void refuse(Instant now, const CohortPtr& cohort, WaiterQueue::iterator waiter, Refusal refusal);
  void after_front_changed(Instant now, const CohortPtr& cohort);

  // engine_bare.cpp: without a script, where nobody waits.
  [[nodiscard]] bool begins_bare(Instant now, const Cohort& cohort) const;
  [[nodiscard]] bool may_acquire_bare(Instant now, const Cohort& cohort) const;
  void acquire_bare(Instant now, const CohortPtr& cohort);
  void on_bare_reply(Instant now, const Pending& pending, const Reply& reply);
  [[nodiscard]] bool may_release_bare(Instant now, const Cohort& cohort, bool riding) const;

  // engine_reply.cpp: the server's answers to acquisitions.
  void on_acquire_reply(Instant now, const Pending& pending, const Reply& reply);
  void on_acquire_error(Instant now, const Pending& pending, const Reply& reply, bool is_current);
  void on_own_reply(Instant now, const Pending& pending, const Reply& reply);
  void on_late_reply(Instant now, const Pending& pending, const Reply& reply);
  void finish_riding(Instant now, const Pending& pending, bool was_released);
  void on_grant(Instant now, std::string_view message);
  void verify(Instant now, const CohortPtr& cohort);
  void on_next(Instant now, Words words);

  // engine_acquire_all.cpp: many in one step.
  void ask_all(Instant now, const std::vector<CohortPtr>& cohorts, bool whole);
  void on_acquire_all_reply(Instant now, const Pending& pending, const Reply& reply);

  // engine_lease.cpp: from a lease to its end.
  void begin_hold(Instant now, const CohortPtr& cohort, const Attempt::Acquired& acquired);
  [[nodiscard]] bool pass(Instant now, const CohortPtr& cohort);
  void lose(Instant now, const CohortPtr& cohort, Loss why);
  [[nodiscard]] bool is_asked_for(const Token& token) const;
  [[nodiscard]] CohortPtr holding(const LeaseRecord& lease) const;
  void end_hold(Instant now, const CohortPtr& cohort);
  void clear_away(Instant now, const CohortPtr& cohort, const LeaseRecord& lease);
  void on_break(Instant now, Words words);
  void on_record(Instant now, Words words);
  void give_up(Instant now, const CohortPtr& cohort);

  // engine_renewal.cpp: renewals.
  void renew_due(Instant now);
  void renew_now(Instant now, const CohortPtr& cohort);
  void renew_more(Instant now);
  void renew(Instant now, std::vector<CohortPtr> due, bool whole);
  void on_renew_reply(Instant now, const Pending& pending, const Reply& reply);
  void on_renewal_letter(Instant now, const Pending& pending, std::size_t place, char letter);

  // engine_fence.cpp: the fence of a quorum's lease.
  void ask_to_write_fence(Instant now, const CohortPtr& cohort, std::int64_t counter, bool is_new,
                          bool whole);
  void on_write_fence_reply(Instant now, const Pending& pending, const Reply& reply);
  void write_fence_failed(const Pending& pending);

  // engine_release.cpp: releases.
  DepartureId give_back(Instant now, const CohortPtr& cohort, LeaseId lease, bool riding);
  DepartureId depart(Instant now, Departure&& departure);
  void send_departure(Instant now, DepartureId id);
  void on_release_reply(Instant now, const Pending& pending, const Reply& reply);

  Settings settings_;
  Pool pool_;  ///< outlives what is in it
  Output output_;
  Waiters<Cohort> waiters_{output_};

  Cohorts cohorts_{&pool_};  ///< in the order of their ids
  std::pmr::unordered_map<Key, CohortPtr, KeyHash, std::equal_to<>> mutexes_{&pool_};
  std::pmr::unordered_multimap<Key, CohortPtr, KeyHash, std::equal_to<>> watched_permits_{&pool_};
  std::pmr::unordered_map<RandomBits, CohortPtr, RandomHash> by_token_{
      &pool_};  ///< of attempts and holds
  Departures departures_;
  Renewals renewals_;
  FenceCounter fence_counter_;
  ContendedNames contended_;
  Link link_;
  Timers timers_;
  std::uint64_t last_id_;

  std::pmr::deque<Pending> inflight_{&pool_};
  bool closing_ = false;
  bool has_slots_ = false;
  bool is_silent_ = false;
  bool unanswered_ = false;
  std::size_t attempts_ = 0;        ///< cohorts with an attempt
  std::size_t renewing_holds_ = 0;  ///< cohorts with a hold that is renewed
};

}  // namespace dlock::core
