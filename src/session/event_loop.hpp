// EventLoop: which thread reads the sockets of a client, which ones sleep, and who wakes whom.
//
// A client has one mutex, a few sockets, and these threads:
//
//   callers      The user's threads, each inside a blocking call. A caller first does its own work
//                with the mutex held (it asks the engines and writes their commands out), then
//                sleeps until its answer is there, in one of two states:
//                  leading    It polls all sockets, hands every answer to whom it belongs, and runs
//                             the timers. At most one caller leads: the first that has to sleep.
//                             Before it sleeps it may look for a while (`BusyPoll`).
//                  following  It sleeps in the `WakeSet` while another caller leads.
//   background   One thread of the client. It serves the sockets and timers when no caller leads:
//                renewals, losses, reconnects, pushed grants, asynchronous calls. Its states:
//                  reading    It polls the sockets and its own descriptor. It does so when no
//                             caller leads and either an asynchronous call waits for its answer or
//                             no caller has led for 10 ms (`stand_down`). It goes on for a second
//                             after the last asynchronous call (`linger`), so that the next one
//                             need not wake it.
//                  standing   It polls its own descriptor only, for 10 ms at a time, since the next
//                  down       call is likely to come soon: two threads that sleep on one socket
//                             cost an additional wake-up for each answer.
//                  resting    The same without an end, while one caller leads for long.
//   callback     One thread, see `Callbacks`. It runs handlers and user code, holds no mutex, and
//                makes calls as any caller does.
//   visitor      A thread of the user's with an event loop of its own, if the client has one. That
//                loop polls the sockets among other things, and `visit` takes what has come,
//                without a change of threads. A visit counts as a lead of that moment, and so does
//                the first asynchronous call while none is under way. So the background thread
//                stands down for 10 ms, also while calls wait for their answers, and then reads:
//                the visitor may be busy with other things. It runs the timers all the time.
//
//   Who changes what                                   wakes
//   whoever reads hands out the answer of a follower   that follower, with `answered`
//   another thread finds the answer of the leader      the leader, by its descriptor
//   the leader has its own answer and returns          the first follower, with `leads`, unless
//                                                      followers were just woken: then the first
//                                                      of them to call again leads, else the last
//                                                      of them to run sees to it. If nobody
//                                                      follows, the background thread if it rests
//   a call brings the next timer forward, or leaves    whoever polls and would sleep too long: the
//   output that a socket did not take                  leader, else the background thread
//   a first asynchronous call while nobody reads       the background thread, unless it will look
//                                                      in time after a visit
//   a background task (connecting, ...) ends           both, by their descriptors
//   an asynchronous call is answered                   the callback thread, by a post; or its
//                                                      executor, if it has one
//
// Five rules keep that cheap: a call that follows sleeps once and is woken once.
//   - A thread that is woken needs the mutex, so wake-ups and posts are collected and happen when
//     the mutex is released (`Lock::unlock`): all wake-ups in one system call (`WakeSet`), since a
//     thread that wakes others one by one loses its core to each of them.
//   - A call that is answered wakes one thread.
//   - Threads that were just woken, and handlers, are likely to add to the output. It is left to
//     them as long as less than twice of what the server has to answer lies there unwritten; the
//     last of them to run writes it all, or whoever takes the next reply. So the server works while
//     they run, and k commands need about log3(k) writes. A command that is left waits for a reply
//     at most: the server would not have begun with it before.
//   - An asynchronous call of any other thread leaves its commands to whoever takes the next reply,
//     if the server owes one. An event loop begins many calls in one turn, and they share a write.
//     From a visit to its end a visitor is likely to add to the output too: it writes what is left.
//   - Whoever begins to lead writes first.
//
// A thread in `pthread_cancel` leaves by `leave`, which undoes whichever state it slept in.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/wire/time.hpp"
#include "runtime/busy_poll.hpp"
#include "runtime/callbacks.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/event_fd.hpp"
#include "runtime/poll_set.hpp"
#include "runtime/ready_sockets.hpp"
#include "runtime/wake_set.hpp"

namespace dlock::detail {

class EventLoop {
 public:
  /// The work of the loop. It calls these functions with its mutex held.
  class Work {
   public:
    /// Neither waits, nor leases, nor releases, nor replies to come: no clock needs to be watched.
    [[nodiscard]] virtual bool is_idle() const = 0;
    [[nodiscard]] virtual std::optional<core::Instant> next_timer() const = 0;
    virtual void add_sockets(runtime::PollSet& into) const = 0;
    /// Shows the sockets of the connections that there are to the visitor, or to none any more.
    virtual void show_sockets() = 0;
    /// Takes the input of the sockets that are ready and the results of background tasks, runs the
    /// timers that are due, and carries out what follows.
    virtual void serve(const runtime::PollSet& ready) = 0;
    /// Carries out what follows from a `flush`.
    virtual void carry_out() = 0;
    /// Whether there is output that a socket has not taken.
    [[nodiscard]] virtual bool wants_write() const = 0;
    /// Whether there is output, and each server for which there is some has more to do meanwhile:
    /// the output has less than two commands for each reply that it owes to written ones.
    [[nodiscard]] virtual bool servers_have_enough() const = 0;
    /// Whether there is output, and each server for which there is some owes a reply to a command
    /// that was written.
    [[nodiscard]] virtual bool servers_owe_replies() const = 0;
    /// Whether a server owes a reply.
    [[nodiscard]] virtual bool awaits_replies() const = 0;
    /// Gives all sockets their output.
    virtual void flush() = 0;

   protected:
    ~Work() = default;
  };

  /// A caller that sleeps until it is answered.
  class Waiter {
   public:
    [[nodiscard]] bool is_answered() const { return is_answered_; }
    /// From now on its thread may be ended with pthread_cancel() while it sleeps.
    void allow_cancellation() { is_cancellable_ = true; }

   private:
    friend class EventLoop;
    /// Why a follower is woken.
    enum Turn : std::uint32_t { answered = 1, leads = 2 };

    bool is_answered_ = false;
    bool is_cancellable_ = false;
    bool follows_ = false;
    std::list<Waiter*>::iterator place_;  ///< among the followers
    runtime::WakeSet::Sleeper sleeper_;
  };

  /// An asynchronous call. Once answered it runs on the callback thread, unless it has an executor.
  class AsyncWaiter : public runtime::Callbacks::Task {
   public:
    /// Gives it, which is `self`, to its executor. False: it has none, or that has ended.
    virtual bool hand_over(std::shared_ptr<AsyncWaiter>& self) = 0;

   protected:
    ~AsyncWaiter() = default;
  };

  /// Runs answered calls in place of the callback thread.
  class Executor {
   public:
    /// Takes `call`, to run it once on a thread that is none of the client's. False: it has ended,
    /// and took nothing. Any thread of the client calls it, without the mutex: it must be quick.
    virtual bool post(std::shared_ptr<AsyncWaiter>& call) = 0;

   protected:
    ~Executor() = default;
  };

  /// Holds the mutex. Releasing it wakes the callers and posts the handlers that were answered
  /// meanwhile.
  class Lock {
   public:
    explicit Lock(EventLoop& loop) : loop_(loop) { lock(); }
    ~Lock() {
      if (is_locked_) unlock();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    void lock();
    void unlock();

   private:
    friend class EventLoop;
    /// For sleeping without the mutex: the thread's own setting. While it has the mutex, it cannot
    /// be cancelled.
    [[nodiscard]] runtime::Cancellation own_cancellation() const noexcept {
      return runtime::Cancellation{cancellation_.before()};
    }

    const runtime::Cancellation cancellation_{PTHREAD_CANCEL_DISABLE};
    EventLoop& loop_;
    bool is_locked_ = false;
  };

  /// `callbacks` runs the handlers. Both must outlive the loop. `busy_poll`: how long a caller
  /// looks for a reply before it sleeps.
  EventLoop(Work& work, runtime::Callbacks& callbacks, core::Duration busy_poll)
      : work_(work), callbacks_(callbacks), busy_poll_(busy_poll) {}
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop() = default;

  /// A visitor will poll the sockets by `set`, under `number`, and call `visit`. Null: it will not
  /// any more. False: another one does.
  bool expect_visits(std::shared_ptr<runtime::ReadySockets> set, std::uint64_t number);
  /// The visitor has seen that there is input. It takes that, runs the timers that are due, and
  /// carries out what follows. Does not sleep. Without the mutex.
  void visit();
  /// It makes no more calls for now: writes what they left.
  void end_visit();

  // With the mutex held:

  /// Lets the visitor poll a connection, if there is a visitor.
  template <class Connection>
  void show_visitor(Connection& connection) const {
    connection.show_in(visitor_, visitor_number_);
  }
  /// Starts the background thread, if it does not run. Throws std::system_error.
  void ensure_background();
  /// Sleeps until the waiter is answered. Releases the mutex in any case.
  void wait(Lock& lock, Waiter& waiter);
  /// The same until `deadline` at most, for a thread with which no other call competes any more.
  void wait_until(Lock& lock, Waiter& waiter, core::Instant deadline);
  /// Takes the lock again for a waiter whose thread was ended in `wait`, and forgets the waiter.
  void leave(Lock& lock, Waiter& waiter);
  /// Makes another one lead, now that the calling thread has taken the mutex and leads no more.
  void pass_lead();
  void answer(Waiter& waiter);

  /// An asynchronous call begins, which `answer` ends.
  void expect_handler();
  void answer(std::shared_ptr<AsyncWaiter> handler);
  /// Any thread: the callback thread begins to run one.
  void begin_handler() { posted_handlers_.fetch_sub(1); }

  /// Whether output must be written now, may wait for threads that were just woken, or for the
  /// next reply.
  enum class Write { now, soon, at_reply };
  /// Writes the output, or leaves it to a thread that is likely to add to it.
  void write(Write when);
  void flush();
  /// To be called after each change: wakes the thread that polls if it would sleep too long.
  void recheck_sleep();

  // Any thread:

  /// Wakes the threads that poll. May be called for as long as it is kept.
  [[nodiscard]] std::function<void()> waker() const;
  /// Ends the background thread. With the mutex held: it begins no other work.
  void end_background();
  /// Without the mutex: waits for its end.
  void join_background();

 private:
  enum class Role { leader, background };
  /// A thread that polls, or will.
  struct Poller {
    runtime::EventFd wake;
    runtime::PollSet set;
    std::optional<core::Instant> asleep_until;  ///< none: it is awake
  };
  /// Kept by the background tasks that wake them, which may outlive the loop.
  struct Pollers {
    Poller leader, background;
  };

  void lead(Lock& lock, Waiter& waiter);
  void serve(const runtime::PollSet& ready);
  [[nodiscard]] bool is_stuck() const { return !is_unwritten_ && work_.wants_write(); }
  void poll_once(Lock& lock, std::optional<core::Instant> until, Role role);
  void run_background(Lock& lock);
  void wake(Waiter& waiter, Waiter::Turn turn);
  void post(runtime::Callbacks::Row handlers);

  Work& work_;
  runtime::Callbacks& callbacks_;
  std::mutex mutex_;
  const std::shared_ptr<Pollers> pollers_ = std::make_shared<Pollers>();

  Waiter* leader_ = nullptr;
  std::uint64_t leads_ = 0;  ///< how often a caller began to lead
  runtime::BusyPoll busy_poll_;
  core::Instant led_at_;  ///< when a caller last led, or a visitor was at hand
  std::list<Waiter*> followers_;
  runtime::WakeSet sleepers_;
  /// Callers that were woken and do not run yet: they are likely to have something to write.
  std::atomic<int> waking_{0};
  std::atomic<bool> is_unwritten_{false};    ///< output was left to them, or to handlers
  std::atomic<bool> is_lead_vacant_{false};  ///< the lead was left to them

  std::shared_ptr<runtime::ReadySockets> visitor_;  ///< none: there are no visits
  std::uint64_t visitor_number_ = 0;
  runtime::PollSet visited_;
  bool is_visited_ = false;

  std::size_t unanswered_handlers_ = 0;
  core::Instant handled_at_;  ///< when the background thread last waited for the answer of one
  runtime::Callbacks::Row answered_handlers_;  ///< to be posted
  std::atomic<int> posted_handlers_{0};        ///< that do not run yet

  std::thread background_;
  bool background_reads_ = false;
  bool background_rests_ = false;
  bool is_ending_ = false;
};

}  // namespace dlock::detail
