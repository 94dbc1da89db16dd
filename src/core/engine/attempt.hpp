// Attempt: one acquisition in the server's hands, from the first request until the lock is ours.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "core/wire/command.hpp"
#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// How long a granted lock is held for its new owner before the first renewal.
inline constexpr Duration claim_time = std::chrono::seconds{3};
/// At the latest so often a waiter repeats its request: that shows the server it is alive, and
/// repairs whatever got lost. Shorter than a claim, so that the head of the queue need not be told
/// when that of the new holder ends.
inline constexpr Duration refresh_time = std::chrono::milliseconds{2500};
/// A waiter that the server has not heard of for so long counts as dead.
inline constexpr Duration waiter_life = std::chrono::seconds{15};
/// So often the first waiter asks for a lock whose holder will not tell us when it is free.
inline constexpr Duration poll_time = std::chrono::milliseconds{100};

/// A state machine without I/O. To be fed every event that concerns its token; after `Acquired`,
/// `Busy`, `Other` or `Broken` it must not be used again. Not thread-safe.
class Attempt {
 public:
  struct Request {
    Token token;
    Duration ttl{};
    bool wait = true;    ///< queue if the lock is taken
    bool claim = false;  ///< the full ttl must be the server's word: a grant alone is not enough
    Permits permits{};   ///< of that kind of lock
    Token replaces{};    ///< take the place of this token, or nothing
    std::optional<Gate> gate{};
    std::string ticket{};  ///< of an earlier wait, whose place in the queue it takes
    std::string seal{};    ///< to wait: for a lock that has none
  };

  // What an event leads to.
  struct Nothing {};  ///< wait for the next event
  struct Ask {};      ///< send `command()` now, then nothing until an event
  struct Busy {};     ///< taken, and we do not queue
  struct Other {      ///< there are so many permits, not as many as we asked for
    std::int64_t capacity = 0;
  };
  struct Broken {};   ///< the gate is
  struct Garbled {};  ///< the reply is not to our request: close the connection
  struct Acquired {   ///< ours
    std::int64_t counter = 0;
    Instant valid_until;
    Duration length{};  ///< the length of the lease behind `valid_until`: ttl or claim
    bool granted = false;
  };
  using Step = std::variant<Nothing, Ask, Busy, Other, Broken, Garbled, Acquired>;

  Attempt(Request request, Drift drift);

  /// The request to send; its instant must be taken before it leaves. `old` is a token to give up
  /// in the same step, or empty. `recent` is a fence counter given out lately, or 0 (mutexes).
  [[nodiscard]] Command command(const LockId& lock, std::string_view old, std::int64_t recent);

  /// The reply (without error) to the request stamped `sent`. `given_up` receives what the reply
  /// says of the old token: "released", "not_held", or empty.
  [[nodiscard]] Step on_reply(std::string_view text, Instant sent, std::string_view& given_up);
  /// A pushed grant, received `now`; `proven`: by somebody who may read the lock. A grant that is
  /// not only says that it is worth asking.
  [[nodiscard]] Step on_grant(std::int64_t counter, ServerTime granted, Instant now, bool proven);
  /// A push to the head of the queue: look again in `in`.
  void on_next(Duration in, Instant now);
  /// The time `timer()` has come.
  [[nodiscard]] Step on_timer(Instant now);
  /// The connection is gone, and with it the reply to an open request.
  void on_disconnected();
  /// Try again at `when`: the server was in a passing state.
  void ask_again(Instant when);
  /// The user whose request this now is wants this instead.
  void change(Duration ttl, bool claim);
  /// From here on under another token (the old one may still act late).
  void rename(Token token) { request_.token = std::move(token); }

  [[nodiscard]] const Token& token() const { return request_.token; }
  [[nodiscard]] Duration ttl() const { return request_.ttl; }
  [[nodiscard]] bool waits() const { return request_.wait; }
  [[nodiscard]] const Permits& permits() const { return request_.permits; }
  /// What the server told of its place in the queue; empty before.
  [[nodiscard]] const std::string& ticket() const { return ticket_; }
  /// What proves messages about the lock; empty if the server did not say.
  [[nodiscard]] const std::string& seal() const { return seal_; }
  /// Whether a request is out whose reply has not come.
  [[nodiscard]] bool is_asking() const { return asking_; }
  /// Whether the server may know the token.
  [[nodiscard]] bool was_sent() const { return was_sent_; }
  /// When to call `on_timer`.
  [[nodiscard]] std::optional<Instant> timer() const { return timer_; }

 private:
  Step on_queued(Words words, Instant sent, std::string_view& given_up);

  Request request_;
  Drift drift_;
  bool asking_ = false;
  bool was_sent_ = false;
  Duration asked_ttl_{};  ///< of the last request
  std::string ticket_;
  std::string seal_;
  std::optional<ClockPair> pair_;
  std::optional<Instant> timer_;
};

}  // namespace dlock::core
