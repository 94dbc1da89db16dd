// DeadlockWatch: waits that last long, of threads that hold other locks meanwhile.
//
// Such a wait is written down in the store, by the tokens that its thread holds. Whoever waits long
// follows the notes from holder to holder. When they come back to a lock of its own, and do so
// again after all of them were renewed, all in the ring have waited for each other in between: one
// of them gives up.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "deadlock/waits_for.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// Thread-safe. Has a thread of its own from the first such wait on.
class DeadlockWatch final : public Companion {
 public:
  explicit DeadlockWatch(Session& client) : client_(client) {}
  /// Blocks until a request timeout has passed since `end`, at most.
  ~DeadlockWatch() override;
  DeadlockWatch(const DeadlockWatch&) = delete;
  DeadlockWatch& operator=(const DeadlockWatch&) = delete;

  /// That of `client`.
  [[nodiscard]] static DeadlockWatch& of(Session& client);

  /// Looks at no wait any more, and takes its notes back. Does not wait for that.
  void end() override;

  /// The tokens of what a thread holds.
  using Tokens = std::function<std::vector<std::string>()>;

  /// A wait of the calling thread for `key`, as long as this lives. The watch asks on a thread of
  /// its own what the waiting one has `held`.
  class Wait {
   public:
    Wait(DeadlockWatch& watch, const std::string& key, Tokens held, const std::stop_token& stop);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    /// Requested when the wait is to end: by the user, or for the sake of the others in a ring.
    [[nodiscard]] std::stop_token stop() const { return stop_.get_token(); }
    /// The ring, if that is why.
    [[nodiscard]] std::optional<std::string> ring() const;

   private:
    friend class DeadlockWatch;
    struct Forward {
      std::stop_source source;
      void operator()() noexcept { source.request_stop(); }
    };
    DeadlockWatch& watch_;
    const std::string key_;
    const Tokens held_;
    std::stop_source stop_;
    std::stop_callback<Forward> forward_;

    // Of the watch, guarded by its mutex.
    std::string id_;                   ///< in its notes; empty: it has not been looked at
    std::vector<std::string> tokens_;  ///< that its thread holds
    std::int64_t renewed_ = 0;         ///< how often they were written
    std::chrono::steady_clock::time_point due_;
    Ring suspected_;  ///< seen before
    std::optional<std::string> ring_;
    std::list<Wait*>::iterator place_;
  };

 private:
  struct Look;
  void start();
  void run();
  void look(LockReader& store, Look& look) const;

  Session& client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::chrono::steady_clock::time_point> ends_by_;  ///< none: goes on
  bool is_over_ = false;                                          ///< the thread is
  std::stop_source stop_;                                         ///< of what it waits for
  std::list<Wait*> waits_;
  std::set<std::string> noted_;  ///< tokens with a note in the store
  std::thread thread_;
};

}  // namespace dlock::detail
