// dlock_queue: where calls end whose caller has an event loop, and what ends with that loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>

#include "c/lock_event.hpp"
#include "c/login.hpp"
#include "dlock/dlock.h"
#include "dlock/leader_observer.hpp"
#include "runtime/fork.hpp"
#include "runtime/ready_sockets.hpp"
#include "session/event_loop.hpp"
#include "session/session.hpp"

struct dlock_leader {
  dlock::Leader leader;
};

namespace dlock::c {

/// A handle that the queue frees when its reader is gone, unless its owner did before. Made by
/// `handle()`; a call that goes on when its handle is freed keeps it by `kept()`.
class Belonging : public std::enable_shared_from_this<Belonging> {
 public:
  explicit Belonging(std::shared_ptr<dlock_queue> queue);
  virtual ~Belonging();
  Belonging(const Belonging&) = delete;
  Belonging& operator=(const Belonging&) = delete;

  /// Null for what belongs to none.
  [[nodiscard]] const std::shared_ptr<dlock_queue>& queue() const noexcept { return queue_; }
  /// Belongs to none from now on.
  void leave();
  /// For dlock_*_free(): its owner no longer has it.
  void free() noexcept;
  /// Must be over when free() returns, also if a call continues.
  virtual void close() noexcept {}
  /// Nobody can use it any more, and soon it is freed: what is given back here is so without
  /// waiting for each other. What is to be reported of that, if the client's log does not say it.
  virtual std::string abandon() { return {}; }

 private:
  friend struct ::dlock_queue;
  template <class Handle, class... Arguments>
  friend Handle* handle(Arguments&&... arguments);
  std::shared_ptr<Belonging> self_;  ///< its owner's share; none after free()
  std::shared_ptr<dlock_queue> queue_;
  std::list<Belonging*>::iterator place_;
};

/// A new handle, which belongs to whoever gets it.
template <class Handle, class... Arguments>
[[nodiscard]] Handle* handle(Arguments&&... arguments) {
  auto made = std::make_shared<Handle>(std::forward<Arguments>(arguments)...);
  made->self_ = made;
  return made.get();
}

/// Not freed while somebody has this.
template <class Handle>
[[nodiscard]] std::shared_ptr<Handle> kept(Handle* handle) {
  return std::static_pointer_cast<Handle>(handle->shared_from_this());
}

/// An event for the reader of the queue.
struct Event {
  dlock_event_kind kind{};
  std::uint64_t context = 0;
  dlock_status status = DLOCK_OK;
  std::string message{};
  dlock_lease* lease = nullptr;  ///< a belonging of the queue
  std::string text{};            ///< a result, or a line of the log
  std::optional<dlock_leader> leader{};
  std::int64_t number = 0;  ///< a result; of a wait that ran out, the place in the queue
  std::optional<LockEvent> lock_event{};
  std::string lock{};  ///< of a wait that ran out
  std::shared_ptr<LoginQuestion> login{};

  /// Takes over how a call on this thread ended, a moment ago.
  void end(dlock_status how);
};

/// The event in which a call will end. Pushes it also if the handler that has this is dropped.
class Pending {
 public:
  Pending(std::shared_ptr<dlock_queue> queue, Event dropped)
      : queue_(std::move(queue)), event_(std::move(dropped)) {}
  ~Pending();
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// The call did not begin.
  void take_back() noexcept { queue_.reset(); }
  /// It ended, as a call on this thread did: false when the reader is gone.
  bool end(dlock_status status, dlock_lease* lease = nullptr);

 private:
  std::shared_ptr<dlock_queue> queue_;
  Event event_;
};

}  // namespace dlock::c

/// Thread-safe, except that one thread at a time takes events: the reader, which also runs answered
/// calls, since each other thread on the way would have to be woken. A thread of its own waits for
/// the reader to hang up, and then ends everything.
struct dlock_queue final : std::enable_shared_from_this<dlock_queue>,
                           dlock::detail::EventLoop::Executor {
 public:
  using Event = dlock::c::Event;
  using Call = std::shared_ptr<dlock::detail::EventLoop::AsyncWaiter>;
  using Belonging = dlock::c::Belonging;

  /// Throws std::system_error when there are no descriptors left.
  dlock_queue();
  ~dlock_queue();
  dlock_queue(const dlock_queue&) = delete;
  dlock_queue& operator=(const dlock_queue&) = delete;

  /// Begins to wait for the hang-up. The reader's descriptor is then the caller's.
  [[nodiscard]] int start();
  [[nodiscard]] bool is_forked() const noexcept {
    return generation_ != dlock::runtime::fork_generation();
  }

  /// A wait begins, which ends with the token. Throws `UsageError` if another has the context.
  [[nodiscard]] std::stop_token begin_wait(std::uint64_t context);
  /// It did not begin, or is over.
  void end_wait(std::uint64_t context);
  void cancel(std::uint64_t context);

  /// False when the reader is gone. Otherwise what `event` has belongs to the queue.
  bool push(Event event);
  /// The reader will run `call`, which pushes the event in which it ended.
  bool post(Call& call) override;
  /// The same with a line of the log, which is dropped when the reader is too far behind.
  void push_log(Event line);
  /// The same with an event of a lock. False: it was dropped.
  bool push_lock_event(Event event);
  // queue_sockets.cpp:

  /// The reader will poll the sockets of the clients that `add_client` gets from now on. Their
  /// descriptor, for its polling.
  [[nodiscard]] int sockets();
  /// It will not.
  void forget_sockets();
  void add_client(const std::shared_ptr<dlock::detail::Session>& client);
  enum class Found { nothing, events, end };
  /// Takes what has come for these clients. Nobody tells the reader of the events that it finds.
  /// `end`: the reader has hung up.
  Found read();
  /// The reader has done what follows from the events: writes what its calls left.
  void write();

  /// The next event; null when there is none. Valid until the next call.
  [[nodiscard]] const Event* next();

 private:
  friend class dlock::c::Belonging;
  template <class Work>
  void for_ready_clients(Work work);
  [[nodiscard]] bool is_only_client(std::span<const std::uint64_t> ready);
  Found visit();
  bool add(std::unique_lock<std::mutex>& lock, std::variant<Event, Call> entry);
  void join(Belonging& belonging);
  void leave(Belonging& belonging);
  void watch();
  void end();

  const std::uint64_t generation_ = dlock::runtime::fork_generation();
  int own_end_ = -1, reader_end_ = -1;
  Event taken_;                             ///< of the reader
  bool has_taken_ = false;                  ///< a call that it runs has pushed that
  std::atomic<std::thread::id> runs_on_{};  ///< its thread, while it runs a call
  std::mutex mutex_;
  std::deque<std::variant<Event, Call>> entries_;
  std::size_t log_lines_ = 0;    ///< among these
  std::size_t lock_events_ = 0;  ///< likewise
  bool is_told_ = false;         ///< the reader will take events
  bool has_ended_ = false;
  std::unordered_map<std::uint64_t, std::stop_source> waits_;
  std::list<Belonging*> belongings_;
  std::shared_ptr<dlock::runtime::ReadySockets> sockets_;  ///< that the reader polls
  dlock::runtime::ReadySockets::Place hang_up_;            ///< among these
  dlock::runtime::ReadySockets::Numbers numbers_{};        ///< of the reader
  std::span<std::uint64_t> ready_;                         ///< among these: of the last `read`
  std::uint64_t last_client_ = 0;
  std::unordered_map<std::uint64_t, std::weak_ptr<dlock::detail::Session>> clients_;
};
