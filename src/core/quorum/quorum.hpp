// Quorum: one lock on several independent servers. A client holds it if it holds it on a majority.
//
// Each server has an `Engine` of its own, with its connection, renewals and repeats. The quorum
// tries the lock on all of them at once, counts, and makes one lease of a majority. It has no I/O
// and no socket: it calls the engines, and takes their answers.
//
// Two majorities share a server, and only one client can hold the lock on that one. Waiters for a
// mutex do not queue on the servers, since each server could grant to another waiter: a client that
// finds the lock taken releases what it got, and tries again after a pause that is half random.
// Readers and writers do queue on the servers, since a writer that only tried would never find all
// readers gone. They release what they got if a majority does not follow soon, and then have the
// same place in all queues.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/engine/backoff.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/timer_heap.hpp"
#include "core/engine/waiters.hpp"

namespace dlock::core {

/// Not thread-safe. Deterministic: the same events give the same actions. Users see only its leases
/// and waiters; the ids in its engines are its own.
class Quorum {
 public:
  struct Settings {
    Duration request_timeout = std::chrono::seconds{2};
    /// How long waits continue while no majority answers.
    Duration patience = std::chrono::seconds{10};
    RandomSource random;
    std::shared_ptr<Statistics> statistics{};  ///< null: one of its own
  };

  /// `engines` must outlive it. Only the quorum acquires and releases with them from now on.
  Quorum(Settings settings, const std::vector<Engine*>& engines);
  Quorum(const Quorum&) = delete;
  Quorum& operator=(const Quorum&) = delete;
  ~Quorum();

  // Requests of users, as in `Engine`.
  void acquire(Instant now, WaiterId waiter, AcquireRequest request);
  void acquire_all(Instant now, const std::vector<std::pair<WaiterId, AcquireRequest>>& requests);
  void exchange(Instant now, WaiterId waiter, const AcquireRequest& request,
                const LeaseRecord& lease);
  void cancel(Instant now, WaiterId waiter);
  void release(Instant now, const LeaseRecord& lease);
  /// Ends all waits; leases continue. Close the engines only when their leases are over.
  void close(Instant now);

  /// Takes the next action of the engine of `member`, an index of `engines`. Returns whether it was
  /// for the quorum: Obtained, Refusal, Released, Lost, Renewed, FenceWritten or Queued.
  bool on_action(Instant now, std::size_t member, const Action& action);

  /// To be called at `next_timer()`; the engines have timers of their own.
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
  /// Counts leases; the engines count parts, commands, renewals and reconnects.
  [[nodiscard]] Stats stats() const { return output_.statistics->stats(); }
  /// The number of servers in a majority.
  [[nodiscard]] std::size_t majority() const { return majority_; }

 private:
  /// The outcome of a try on one server.
  enum class Outcome : std::uint8_t { none, busy, failed, silent };
  /// The part of a lock on one server.
  struct MemberLease {
    WaiterId asked = 0;                  ///< the try under way, or 0
    std::shared_ptr<LeaseRecord> lease;  ///< ours
    std::shared_ptr<LeaseRecord> ended;  ///< nearly over by time; the lock stays closed until then
    std::int64_t ticket = 0;             ///< the time of its first request, by the server's clock
    std::int64_t written = 0;            ///< the fence that the server has written for it
    Outcome outcome{};                   ///< `busy` while asked: it waits in the queue
    errc code{};                         ///< of `failed` and `silent`
    std::string what;                    ///< the same
    std::optional<Instant> again{};      ///< when to take it again, or to write the fence again
    Duration back_off{};
  };
  enum class Phase : std::uint8_t {
    resting,        ///< paused until `when`, with nothing on any server
    asking,         ///< asks for parts, until `when`
    writing_fence,  ///< has a majority, and writes the fence there, until `when`
    held,           ///< the lease is a user's, until `when`
    over,           ///< it was lost; the parts keep the lock closed until `when`
  };
  struct QuorumLock;
  using LockPtr = std::shared_ptr<QuorumLock>;
  using Timers = TimerHeap<LockPtr>;
  /// The waits, parts and lease of this client for one name; for permits, those of one wait.
  struct QuorumLock {
    std::uint64_t id = 0;
    Key key;
    std::optional<Permits> permits;  ///< none: a mutex
    WaiterQueue waiters;
    std::vector<MemberLease> parts;  ///< by server
    Phase phase = Phase::resting;
    std::optional<Instant> when;
    Duration back_off{};
    std::optional<Instant> trouble_since{};  ///< no majority answered since
    int too_late = 0;      ///< majorities that came when most of the ttl had passed
    int splits = 0;        ///< tries that got some parts, and no majority
    Instant asked_at;      ///< the start of the round
    bool lingers = false;  ///< a try got nothing, and some servers did not answer yet
    bool queues = false;   ///< waits in the servers' queues, while it asks
    std::optional<Instant> give_back_at{};  ///< when to release the parts if they are too few
    std::int64_t ticket = 0;                ///< its place in all queues, after it released parts
    // Terms of the lease, or of the coming one:
    Duration ttl{};
    bool renew = true;
    std::int64_t counter = 0;
    std::shared_ptr<LeaseRecord> lease;
    Instant since;               ///< when this client got it
    std::optional<Instant> end;  ///< the end of the hold, by `max_hold`
    std::optional<Timers::Handle> timer;
  };
  struct Member {
    Engine* engine = nullptr;
    bool suspect = false;  ///< its last try has no answer
    Instant probe_at;      ///< not asked before, while it is suspect
    Duration back_off{};
    std::unordered_map<WaiterId, LockPtr> tries;
    std::unordered_map<LeaseId, LockPtr> parts;
    std::unordered_map<LeaseId, std::uint64_t> releases;
  };
  /// A release, and the answers so far.
  struct Departure {
    LeaseId lease = 0;  ///< 0: its user has the answer
    GroupId group = 0;
    std::size_t outstanding = 0, released = 0, unknown = 0;
  };

  // quorum.cpp: waits, and the routing of events.
  void arm(const LockPtr& lock);
  void on_due(Instant now, const LockPtr& lock);
  void time_out(Instant now);
  [[nodiscard]] static std::string name_of(const std::optional<Permits>& permits,
                                           std::string_view key, std::uint64_t id);
  [[nodiscard]] LockPtr lock_of(const LeaseRecord& lease) const;
  void refuse(Instant now, const LockPtr& lock, WaiterQueue::iterator waiter, Refusal refusal);
  void erase(const LockPtr& lock);
  [[nodiscard]] Duration jittered(Duration span) {
    return core::jittered(span, bits_of(settings_.random));
  }
  template <class Kind>
  void act(Kind action) {
    output_.act(std::move(action));
  }

  // quorum_acquire.cpp: from a request to a lease.
  void ask(Instant now, const LockPtr& lock);
  [[nodiscard]] Instant round_end(Instant now, Duration ttl) const;
  void try_part(Instant now, const LockPtr& lock, std::size_t member);
  void release_ended(Instant now, MemberLease& part, std::size_t member);
  void on_obtained(Instant now, std::size_t member, const Obtained& obtained);
  void on_refusal(Instant now, std::size_t member, const Refusal& refusal);
  void decide(Instant now, const LockPtr& lock);
  void linger(Instant now, const LockPtr& lock);
  [[nodiscard]] static bool is_written(const QuorumLock& lock, const MemberLease& part);
  void write_fence(Instant now, const LockPtr& lock);
  void write_fence(Instant now, const LockPtr& lock, std::size_t member);
  void on_fence_written(Instant now, std::size_t member, const FenceWritten& written);
  void begin(Instant now, const LockPtr& lock);
  /// What failed or silent servers mean for a wait.
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
  /// The reason why a lease is over that has no validity left at `now`.
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
  bool ever_answered_ = false;  ///< a majority has answered before
  bool closing_ = false;
};

}  // namespace dlock::core
