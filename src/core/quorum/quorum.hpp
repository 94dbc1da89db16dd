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

  /// `nodes` must outlive it. From here on nobody else acquires or releases with them.
  Quorum(Settings settings, const std::vector<Engine*>& nodes);
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

  /// What the engine of `node`, the place among `nodes`, wants or answers, in order. Says whether
  /// it was for the quorum: Obtained, Refusal, Released, Lost, Renewed, FenceWritten or Queued.
  bool on_part(Instant now, std::size_t node, const Action& action);

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
  [[nodiscard]] bool idle() const { return lines_.empty() && departures_.empty(); }
  /// Of leases; parts, commands, renewals and reconnects are counted by the engines.
  [[nodiscard]] const Counters& counters() const { return output_.counters; }
  /// How many servers are a majority.
  [[nodiscard]] std::size_t majority() const { return majority_; }

 private:
  /// How a try on a server ended.
  enum class Outcome : std::uint8_t { none, busy, failed, silent };
  /// What a line has on one server.
  struct Part {
    WaiterId asked = 0;                  ///< a try under way
    std::shared_ptr<LeaseRecord> lease;  ///< ours
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
  struct Line;
  using LinePtr = std::shared_ptr<Line>;
  struct Timer {
    Instant when;
    std::uint64_t id = 0;  ///< of the line
    LinePtr line;
    friend bool operator<(const Timer& a, const Timer& b) {
      return std::tie(a.when, a.id) < std::tie(b.when, b.id);
    }
  };
  using Timers = std::set<Timer>;
  /// All that this client does about one name; of permits, all about one wait and its lease.
  struct Line {
    std::uint64_t id = 0;
    std::string key;
    std::optional<Permits> permits;  ///< none: a mutex
    WaiterQueue waiters;
    std::vector<Part> parts;  ///< by server
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
  struct Node {
    Engine* engine = nullptr;
    bool suspect = false;  ///< its last try got no answer
    Instant probe_at;      ///< a suspect is left alone until then
    Duration back_off{};
    std::unordered_map<WaiterId, LinePtr> tries;
    std::unordered_map<LeaseId, LinePtr> parts;
    std::unordered_map<LeaseId, std::uint64_t> releases;
  };
  /// A release whose answers are counted.
  struct Departure {
    LeaseId lease = 0;  ///< 0: its user was told
    std::size_t outstanding = 0, released = 0, unknown = 0;
  };

  // quorum.cpp: waits, and the routing of events.
  void arm(const LinePtr& line);
  void on_due(Instant now, const LinePtr& line);
  void time_out(Instant now);
  [[nodiscard]] static std::string name_of(const std::optional<Permits>& permits,
                                           const std::string& key, std::uint64_t id);
  [[nodiscard]] LinePtr line_of(const LeaseRecord& lease) const;
  void refuse(Instant now, const LinePtr& line, WaiterQueue::iterator waiter, Refusal refusal);
  void erase(const LinePtr& line);
  [[nodiscard]] Duration jittered(Duration span) {
    return core::jittered(span, settings_.random());
  }
  template <class Kind>
  void act(Kind action) {
    output_.act(std::move(action));
  }

  // quorum_acquire.cpp: from a request to a lease.
  void ask(Instant now, const LinePtr& line);
  [[nodiscard]] Instant round_end(Instant now, Duration ttl) const;
  void try_part(Instant now, const LinePtr& line, std::size_t node);
  void on_obtained(Instant now, std::size_t node, const Obtained& obtained);
  void on_refusal(Instant now, std::size_t node, const Refusal& refusal);
  void decide(Instant now, const LinePtr& line);
  void linger(Instant now, const LinePtr& line);
  [[nodiscard]] static bool is_written(const Line& line, const Part& part);
  void write_fence(Instant now, const LinePtr& line);
  void write_fence(Instant now, const LinePtr& line, std::size_t node);
  void on_fence_written(Instant now, std::size_t node, const FenceWritten& written);
  void begin(Instant now, const LinePtr& line);
  /// What servers that failed or are silent make of a wait.
  struct Trouble {
    bool is_there = false;  ///< no majority answers
    std::optional<Refusal> refusal{};
  };
  [[nodiscard]] Trouble trouble(Instant now, Line& line) const;
  void give_up_round(Instant now, const LinePtr& line);
  void time_out_round(Instant now, const LinePtr& line);
  void came_too_late(Instant now, const LinePtr& line);
  void rest(Instant now, const LinePtr& line);
  void answered(std::size_t node);
  void suspect(Instant now, std::size_t node);

  // quorum_queue.cpp: waits in the servers' queues.
  void on_queued(Instant now, std::size_t node, const Queued& queued);
  void go_on_waiting(Instant now, const LinePtr& line);
  void give_parts_back(Instant now, const LinePtr& line);
  void leave_queue(Instant now, const LinePtr& line, std::size_t node);
  void leave_queues(Instant now, const LinePtr& line);

  // quorum_lease.cpp: from a lease to its end.
  [[nodiscard]] static std::size_t held(const Line& line);
  [[nodiscard]] Instant valid_until(const Line& line) const;
  /// Why a lease is over that has nothing left at `now`.
  [[nodiscard]] static Loss overdue(Instant now, const Line& line);
  void publish(const Line& line);
  void on_renewed(std::size_t node, const Renewed& renewed);
  void on_lost(Instant now, std::size_t node, const Lost& lost);
  void on_released(std::size_t node, const Released& released);
  void take_again(Instant now, const LinePtr& line, std::size_t node);
  void again_later(Instant now, Line& line, Part& part);
  [[nodiscard]] bool pass(Instant now, const LinePtr& line);
  void lose(Instant now, const LinePtr& line, Loss why);
  void drop_parts(Instant now, const LinePtr& line, LeaseId lease);
  void after_hold(Instant now, const LinePtr& line);

  Settings settings_;
  std::vector<Node> nodes_;
  std::size_t majority_;
  Output output_;
  Waiters<Line> waiters_{output_};
  std::unordered_map<std::string, LinePtr> lines_;  ///< by `name_of`
  std::map<std::uint64_t, Departure> departures_;
  Timers timers_;
  std::uint64_t last_id_ = 0;
  bool ever_answered_ = false;  ///< a majority, once
  bool closing_ = false;
};

}  // namespace dlock::core
