// EngineScript: a test as a script, of events for an engine and the actions it must answer with.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/engine/engine.hpp"

namespace dlock::core {

/// A wish for permits.
inline AcquireRequest permits(std::int64_t weight, std::int64_t capacity = 4) {
  AcquireRequest wish{.key = "gpu"};
  wish.permits = Permits{weight, capacity};
  return wish;
}

/// A wish at the condition variable "job": to wait, or what `call` says.
inline AcquireRequest at_condition(std::string call = {}) {
  AcquireRequest wish{.key = "job", .ttl = waiter_life};
  wish.gate = std::make_shared<Gate>(Gate{.kind = Kind::condition, .call = std::move(call)});
  return wish;
}

/// An engine, the instant of the next event, and short names. Tokens are called T1, T2, ... in the
/// order in which they were first sent; a lease is called by the waiter who obtained it.
class EngineScript {
 public:
  enum Start { connected, offline };
  explicit EngineScript(Start start = connected) : EngineScript(start, settings()) {}
  EngineScript(Start start, Engine::Settings settings);

  /// A drift of 1 % and 2 ms, a request timeout of 2 s, a patience of 10 s; next to no jitter.
  static Engine::Settings settings();

  /// Sets the time of the next events, counted from the beginning.
  EngineScript& at(Duration when) {
    now_ = Instant{} + base + when;
    return *this;
  }

  // Events. In a reply, a token's name stands first for its echo and else for the token.
  void acquire(WaiterId waiter, AcquireRequest wish = {.key = "job"}) {
    engine.acquire(now_, waiter, std::move(wish)), note();
  }
  /// The names are those of the locks; the waiters are numbered from 1 on.
  void acquire_all(std::initializer_list<std::string> names);
  void acquire_all(std::vector<std::pair<WaiterId, AcquireRequest>> wishes) {
    engine.acquire_all(now_, std::move(wishes)), note();
  }
  void cancel(WaiterId waiter) { engine.cancel(now_, waiter), note(); }
  void release(WaiterId waiter) { engine.release(now_, *leases.at(waiter)), note(); }
  void on_connected(bool old_is_dead = true) { engine.on_connected(now_, old_is_dead), note(); }
  void on_connect_failed(errc code = errc::unreachable, bool may_recover = true) {
    engine.on_connect_failed(now_, code, "no connection", may_recover), note();
  }
  void on_disconnected() { engine.on_disconnected(now_, "reset by peer"), note(); }
  void reply(std::string_view text);
  void answer(const Reply& reply) { engine.on_reply(now_, reply), note(); }
  /// To a bare acquire: "free VALUE COUNTER", "taken VALUE COUNTER", with " queue" if somebody
  /// waits; "other" for a key of another type; "unknown"; "refused".
  void block(std::string_view text);
  void error(errc code, std::string_view text = "ERR something");
  void passing_error();
  void moving_error();
  void unblock(WaiterId waiter, Duration sent) {
    engine.on_unblocked(now_, *leases.at(waiter), Instant{} + base + sent), note();
  }
  void noscript();
  void message(std::string_view text);  ///< a grant is proven by `seal`
  void forged(std::string_view text);   ///< without a proof but what it says itself
  void changed(std::string_view key) { engine.on_changed(now_, key), note(); }
  void flushed() { engine.on_changed(now_, std::nullopt), note(); }
  void timer() { engine.on_timer(now_), note(); }
  void close() { engine.close(now_), note(); }
  void withdraw() { engine.withdraw(now_), note(); }

  // Several events at once. They leave no actions behind.
  void open(bool old_is_dead = true);  ///< connected, subscribed, enrolled
  /// The same, and what is sent thereafter stays to be answered.
  void reopen(std::initializer_list<std::string> sent, bool old_is_dead = true,
              std::source_location where = std::source_location::current());
  void obtain(WaiterId waiter,
              AcquireRequest wish = {.key = "job"});  ///< free, so ours with counter 5
  void queue(WaiterId waiter, AcquireRequest wish = {.key = "job"});  ///< taken; see `queued`

  /// The seal of every lock.
  static constexpr std::string_view seal = "11.12";
  /// The reply to the acquire of `token` that leaves it in the queue: the holder has `left`, the
  /// ticket is 77 and the server's clock shows 1 s.
  static std::string queued(std::string_view token, Duration left = std::chrono::seconds{20},
                            int place = 0);

  /// The actions since the last look.
  std::vector<Action> take();
  /// The actions since the last look, one line each, must be these. Reports go to `reports`.
  void expect(const std::vector<std::string>& lines,
              std::source_location where = std::source_location::current());
  /// The next timer must be then; none: there must be none.
  void expect_timer(std::optional<Duration> when,
                    std::source_location where = std::source_location::current());
  /// Waits, leases, releases, timers: there must be nothing of them.
  void expect_idle(std::source_location where = std::source_location::current());

  Engine engine;
  std::vector<std::string> reports;
  std::map<WaiterId, std::shared_ptr<LeaseRecord>> leases;

 private:
  static constexpr Duration base = std::chrono::hours{1};

  void note();
  std::string line(const Action& action);
  std::string line(const Command& command);
  std::string name_of(std::string_view token);
  [[nodiscard]] std::string spell_out(std::string_view text, bool is_reply) const;
  [[nodiscard]] WaiterId holder(LeaseId lease) const;

  Instant now_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::size_t> numbers_;  // of tokens, from 1 on
  std::vector<Action> actions_;                           // since the last look
  std::vector<std::string> lines_;                        // the same
};

}  // namespace dlock::core
