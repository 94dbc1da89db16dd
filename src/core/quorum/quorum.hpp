// Quorum: one lock on several independent servers, held by whoever holds it on a majority.
//
// Each server has an `Engine` of its own, with its connection, renewals and repeats. The quorum
// tries the lock on all of them at once, counts, and makes one lease of a majority. It has no I/O
// and sees no socket: it calls the engines, and is fed what they answer.
//
// Two majorities share a server, and on it only one can hold. Waiters for a mutex do not queue on
// the servers, where each could grant to another one: who finds the lock taken gives back what it
// got, and tries again after a wait that is half random. Readers and writers do queue there, as a
// writer would else never find all readers gone; they give back what they got if a majority does
// not follow soon, and have one place in all queues from then on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/engine/backoff.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/waiters.hpp"

namespace dlock::core {

/// Not thread-safe. Deterministic: the same events give the same actions. Users know its leases and
/// waiters only; the ids that its engines use are its own.
class Quorum {
 public:
  struct Settings {
    Duration request_timeout = std::chrono::seconds{2};
    /// How long waits go on while no majority answers.
    Duration patience = std::chrono::seconds{10};
    std::function<RandomBits()> random;
  };

  /// `engines` must outlive it. From here on nobody else acquires or releases with them.
  Quorum(Settings settings, const std::vector<Engine*>& engines);
  Quorum(const Quorum&) = delete;
  Quorum& operator=(const Quorum&) = delete;
  ~Quorum();

  // What users do; as of `Engine`.
  void acquire(Instant now, WaiterId waiter, AcquireRequest request);
  void acquire_all(Instant now, const std::vector<std::pair<WaiterId, AcquireRequest>>& requests);
  void exchange(Instant now, WaiterId waiter, const AcquireRequest& request,
                const LeaseRecord& lease);
  void cancel(Instant now, WaiterId waiter);
  void release(Instant now, const LeaseRecord& lease);
  /// Ends all waits; leases go on. The engines must not be closed before their leases are over.
  void close(Instant now);

  /// What the engine of `member`, the place among `engines`, wants or answers, in order. Says
  /// whether it was for the quorum: Obtained, Refusal, Released, Lost, Renewed, FenceWritten or
  /// Queued.
  bool on_action(Instant now, std::size_t member, const Action& action);

  /// To be called when `next_timer()` has come; the engines have timers of their own.
  void on_timer(Instant now);
  [[nodiscard]] std::optional<Instant> next_timer() const;

  /// Obtained, Refusal, Released, Lost and Report, for the users. After any call the engines may
  /// have actions too.
  void take_actions(std::vector<Action>& into) {
    into.clear();
    into.swap(output_.actions);
  }

  /// No waits, no leases, no releases under way; the engines may have some.
  [[nodiscard]] bool idle() const { return locks_.empty() && departures_.empty(); }
  /// Of leases; parts, commands, renewals and reconnects are counted by the engines.
  [[nodiscard]] const Counters& counters() const { return output_.counters; }
  /// How many servers are a majority.
  [[nodiscard]] std::size_t majority() const { return majority_; }

 private:
  /// How a try on a server ended.
  enum class Outcome : std::uint8_t { none, busy, failed, silent };
  /// What a lock has on one server.
  struct MemberLease {
    WaiterId asked = 0;                  ///< a try under way
    std::shared_ptr<LeaseRecord> lease;  ///< ours
    std::shared_ptr<LeaseRecord> ended;  ///< it was; its time is nearly over, others wait for that
    std::int64_t ticket = 0;             ///< when it asked first, by the server's clock
    std::int64_t written = 0;            ///< the fence that is written down with it
    Outcome outcome{};                   ///< `busy` while asked: it stands in the queue
    errc code{};                         ///< of `failed` and `silent`
    std::string what;                    ///< the same
    std::optional<Instant> again{};      ///< then take it again, or write the fence again
    Duration back_off{};
  };
  enum class Phase : std::uint8_t {
    resting,        ///< until `when`; nothing is anywhere
    asking,         ///< for parts, until `when`
    writing_fence,  ///< a majority is ours, and learns the fence, until `when`
    held,           ///< the lease is a user's, until `when`
    over,           ///< it was lost; the parts keep others out until `when`
  };
  struct QuorumLock;
  using LockPtr = std::shared_ptr<QuorumLock>;
  struct Timer {
    Instant when;
    std::uint64_t id = 0;  ///< of the lock
    LockPtr lock;
    friend bool operator<(const Timer& a, const Timer& b) {
      return std::tie(a.when, a.id) < std::tie(b.when, b.id);
    }
  };
  using Timers = std::set<Timer>;
  /// All that this client does about one name; of permits, all about one wait and its lease.
  struct QuorumLock {
    std::uint64_t id = 0;
    std::string key;
    std::optional<Permits> permits;  ///< none: a mutex
    WaiterQueue waiters;
    std::vector<MemberLease> parts;  ///< by server
    Phase phase = Phase::resting;
    std::optional<Instant> when;
    Duration back_off{};
    std::optional<Instant> trouble_since{};  ///< no majority answered since
    int too_late = 0;                        ///< majorities that came when most of it had gone
    int splits = 0;                          ///< tries that got some parts, and no majority
    Instant asked_at;                        ///< the begin of the round
    bool lingers = false;                    ///< a try that got nothing, while some did not answer
    bool queues = false;                     ///< on the servers, while it asks
    std::optional<Instant> give_back_at{};   ///< then the parts go back if they are too few
    std::int64_t ticket = 0;                 ///< its place in all queues, once it gave parts back
    // Of the lease, or of what is to become one:
    Duration ttl{};
    bool renew = true;
    std::int64_t counter = 0;
    std::shared_ptr<LeaseRecord> lease;
    Instant since;               ///< when this client got it
    std::optional<Instant> end;  ///< the longest hold
    std::optional<Timers::iterator> timer;
  };
  struct Member {
    Engine* engine = nullptr;
    bool suspect = false;  ///< its last try got no answer
    Instant probe_at;      ///< a suspect is left alone until then
    Duration back_off{};
    std::unordered_map<WaiterId, LockPtr> tries;
    std::unordered_map<LeaseId, LockPtr> parts;
    std::unordered_map<LeaseId, std::uint64_t> releases;
  };
  /// A release whose answers are counted.
  struct Departure {
    LeaseId lease = 0;  ///< 0: its user was told
    std::size_t outstanding = 0, released = 0, unknown = 0;
  };

  // quorum.cpp: waits, and the routing of events.
  void arm(const LockPtr& lock);
  void on_due(Instant now, const LockPtr& lock);
  void time_out(Instant now);
  [[nodiscard]] static std::string name_of(const std::optional<Permits>& permits,
                                           const std::string& key, std::uint64_t id);
  [[nodiscard]] LockPtr lock_of(const LeaseRecord& lease) const;
  void refuse(Instant now, const LockPtr& lock, WaiterQueue::iterator waiter, Refusal refusal);
  void erase(const LockPtr& lock);
  [[nodiscard]] Duration jittered(Duration span) {
    return core::jittered(span, settings_.random());
  }
  template <class Kind>
  void act(Kind action) {
    output_.act(std::move(action));
  }

  // quorum_acquire.cpp: from a request to a lease.
  void ask(Instant now, const LockPtr& lock);
  [[nodiscard]] Instant round_end(Instant now, Duration ttl) const;
  void try_part(Instant now, const LockPtr& lock, std::size_t member);
  void give_back_ended(Instant now, MemberLease& part, std::size_t member);
  void on_obtained(Instant now, std::size_t member, const Obtained& obtained);
  void on_refusal(Instant now, std::size_t member, const Refusal& refusal);
  void decide(Instant now, const LockPtr& lock);
  void linger(Instant now, const LockPtr& lock);
  [[nodiscard]] static bool is_written(const QuorumLock& lock, const MemberLease& part);
  void write_fence(Instant now, const LockPtr& lock);
  void write_fence(Instant now, const LockPtr& lock, std::size_t member);
  void on_fence_written(Instant now, std::size_t member, const FenceWritten& written);
  void begin(Instant now, const LockPtr& lock);
  /// What servers that failed or are silent make of a wait.
  struct Trouble {
    bool is_there = false;  ///< no majority answers
    std::optional<Refusal> refusal{};
  };
  [[nodiscard]] Trouble trouble(Instant now, QuorumLock& lock) const;
  void give_up_round(Instant now, const LockPtr& lock);
  void time_out_round(Instant now, const LockPtr& lock);
  void came_too_late(Instant now, const LockPtr& lock);
  void rest(Instant now, const LockPtr& lock);
  void answered(std::size_t member);
  void suspect(Instant now, std::size_t member);

  // quorum_queue.cpp: waits in the servers' queues.
  void on_queued(Instant now, std::size_t member, const Queued& queued);
  void go_on_waiting(Instant now, const LockPtr& lock);
  void give_parts_back(Instant now, const LockPtr& lock);
  void leave_queue(Instant now, const LockPtr& lock, std::size_t member);
  void leave_queues(Instant now, const LockPtr& lock);

  // quorum_lease.cpp: from a lease to its end.
  [[nodiscard]] static std::size_t held(const QuorumLock& lock);
  [[nodiscard]] Instant valid_until(const QuorumLock& lock) const;
  /// Why a lease is over that has nothing left at `now`.
  [[nodiscard]] static Loss overdue(Instant now, const QuorumLock& lock);
  void publish(const QuorumLock& lock);
  void on_renewed(std::size_t member, const Renewed& renewed);
  void on_lost(Instant now, std::size_t member, const Lost& lost);
  void on_released(std::size_t member, const Released& released);
  void take_again(Instant now, const LockPtr& lock, std::size_t member);
  void again_later(Instant now, QuorumLock& lock, MemberLease& part);
  [[nodiscard]] bool pass(Instant now, const LockPtr& lock);
  void lose(Instant now, const LockPtr& lock, Loss why);
  void drop_parts(Instant now, const LockPtr& lock, LeaseId lease);
  void after_hold(Instant now, const LockPtr& lock);

  Settings settings_;
  std::vector<Member> members_;
  std::size_t majority_;
  Output output_;
  Waiters<QuorumLock> waiters_{output_};
  std::unordered_map<std::string, LockPtr> locks_;  ///< by `name_of`
  std::map<std::uint64_t, Departure> departures_;
  Timers timers_;
  std::uint64_t last_id_ = 0;
  bool ever_answered_ = false;  ///< a majority, once
  bool closing_ = false;
};

}  // namespace dlock::core
