// DeadlockWatch: watches long waits of threads that hold other locks.
//
// The watch notes such a wait in the store, under each token that the thread holds. It then follows
// the notes from holder to holder. If they lead back to a lock of its own thread, and again after
// all of them were renewed, then all holders in the ring waited for each other in between, and one
// gives up.
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

/// Thread-safe. Has its own thread from the first such wait on.
class DeadlockWatch final : public Companion {
 public:
  explicit DeadlockWatch(Session& client) : client_(client) {}
  /// Blocks for at most one request timeout since `end`.
  ~DeadlockWatch() override;
  DeadlockWatch(const DeadlockWatch&) = delete;
  DeadlockWatch& operator=(const DeadlockWatch&) = delete;

  /// The watch of `client`.
  [[nodiscard]] static DeadlockWatch& of(Session& client);

  /// Stops watching, and begins to remove its notes. Does not wait.
  void end() override;

  /// Returns the tokens that a thread holds.
  using Tokens = std::function<std::vector<std::string>()>;

  /// A wait of the calling thread for `key`, as long as this object lives. The watch calls `held`
  /// on its own thread.
  class Wait {
   public:
    Wait(DeadlockWatch& watch, std::string_view key, Tokens held, const std::stop_token& stop);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    /// Requested when the wait must end: by the user, or because of a ring.
    [[nodiscard]] std::stop_token stop() const { return stop_.get_token(); }
    /// The ring, if that is the reason.
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

    // The watch's, guarded by its mutex.
    std::string id_;  ///< WAIT in its notes; empty: the watch has not looked at it yet
    std::vector<std::string> tokens_;  ///< that its thread holds
    std::int64_t renewed_ = 0;         ///< how often its notes were written
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
  std::optional<std::chrono::steady_clock::time_point> ends_by_;  ///< nullopt: it goes on
  bool is_over_ = false;                                          ///< the thread is
  std::stop_source stop_;                                         ///< ends its own waits
  std::list<Wait*> waits_;
  std::set<std::string> noted_;  ///< tokens with a note in the store
  std::thread thread_;
};

}  // namespace dlock::detail
