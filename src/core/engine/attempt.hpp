// Attempt: one acquisition, from the first request to the server until the client has the lock.
#pragma once

#include <memory>
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
/// The longest interval between a waiter's requests. A request shows the server that the waiter is
/// alive, and repairs the loss of a message. The interval is shorter than a claim, so that no
/// script must tell the head of the queue when the new holder's claim ends.
inline constexpr Duration refresh_time = std::chrono::milliseconds{2500};
/// A waiter counts as dead when it has sent no request for this long.
inline constexpr Duration waiter_life = std::chrono::seconds{15};
/// The interval at which the first waiter asks for a lock of another program, which tells no waiter
/// when it releases.
inline constexpr Duration poll_time = std::chrono::milliseconds{100};

/// A state machine without I/O. Its owner feeds it every event that concerns its token; after
/// `Acquired`, `Busy`, `Other` or `Broken` it must not be used again. Not thread-safe.
class Attempt {
 public:
  struct Request {
    Token token;
    Duration ttl{};
    bool wait = true;    ///< queue if the lock is taken
    bool claim = false;  ///< the server must confirm the full ttl: a grant alone is not enough
    Permits permits{};   ///< of that kind of lock
    Token replaces{};    ///< replace this token, or fail
    std::shared_ptr<const Gate> gate{};
    std::string ticket{};  ///< of an earlier wait, whose place in the queue it takes
    bool keep = false;     ///< without waiting: a lock that the token has is not handed on
  };

  // The results of an event.
  struct Nothing {};  ///< wait for the next event
  struct Ask {};      ///< send `command()` now, then nothing until an event
  struct Busy {};     ///< the lock is taken, and this attempt does not queue
  struct Other {      ///< the lock has this number of permits, another than the request
    std::int64_t capacity = 0;
  };
  struct Broken {};   ///< the gate is broken
  struct Garbled {};  ///< the reply answers another request: close the connection
  struct Acquired {   ///< ours
    std::int64_t counter = 0;
    Instant valid_until;
    Duration length{};  ///< the length of the lease behind `valid_until`: ttl or claim
    bool granted = false;
    bool bare = false;     ///< without a script: the server's record has no fence yet
    Instant granted_at{};  ///< as the clocks say, without their drift
  };
  using Step = std::variant<Nothing, Ask, Busy, Other, Broken, Garbled, Acquired>;

  Attempt(Request request, Drift drift);

  /// The request to send; read its instant from the clock before it leaves. `old` is a token to
  /// release in the same step, or empty. `recent` is a fence counter of the last second, or 0
  /// (mutexes).
  [[nodiscard]] Command command(const LockId& lock, const Token& old, std::int64_t recent);

  /// The request without a script, of a token that was not sent before.
  [[nodiscard]] Command bare_command(const LockId& lock);
  /// Takes the reply to it. `is_fresh`: its counter is above all that this client knows.
  [[nodiscard]] Step on_block(const BlockReply& block, Instant sent, bool is_fresh);

  /// Takes a reply without an error, to the request stamped `sent`. `given_up` receives the reply's
  /// word about the old token: "released", "not_held", or empty.
  [[nodiscard]] Step on_reply(std::string_view text, Instant sent, std::string_view& given_up);
  /// Takes a pushed grant, received `now`; `proven`: its author may read the lock. A grant without
  /// proof is only a reason to ask the server.
  [[nodiscard]] Step on_grant(std::int64_t counter, ServerTime granted, Instant now, bool proven);
  /// Takes a push to the head of the queue: ask again in `in`.
  void on_next(Duration in, Instant now);
  /// Whether it asks for the lock of another program again and again.
  [[nodiscard]] bool polls() const { return !asking_ && patient_timer_ && timer_ < patient_timer_; }
  /// The server tells when that program gives the lock up, so there is no need to poll.
  void on_watched() {
    if (polls()) timer_ = patient_timer_;
  }
  /// To be called at `timer()`.
  [[nodiscard]] Step on_timer(Instant now);
  /// The connection ended, and the reply to an open request will not come.
  void on_disconnected();
  /// Ask again at `when`: the server is in a state that passes.
  void ask_again(Instant when);
  /// Another user takes over the request, with these terms.
  void change(Duration ttl, bool claim);
  /// Continues with another token, since a late request may still use the old one.
  void rename(const Token& token) { request_.token = token; }

  /// Whether the script's request needs a seal: to wait at a lock, it brings one.
  [[nodiscard]] bool needs_seal() const { return request_.wait && !request_.gate && !own_seal_; }
  /// Proves messages about a lock that has no seal yet.
  void set_seal(RandomBits seal) { own_seal_ = seal; }

  [[nodiscard]] const Token& token() const { return request_.token; }
  [[nodiscard]] Duration ttl() const { return request_.ttl; }
  [[nodiscard]] bool waits() const { return request_.wait; }
  [[nodiscard]] const Permits& permits() const { return request_.permits; }
  /// The ticket, its place in the queue, from the server; empty before.
  [[nodiscard]] const std::string& ticket() const { return ticket_; }
  /// The place in the queue by the last reply, from 1 on; 0 before.
  [[nodiscard]] std::int64_t place() const { return place_; }
  /// The seal that proves messages about the lock; empty if the server did not send it.
  [[nodiscard]] const std::string& seal() const { return seal_; }
  [[nodiscard]] std::string take_seal() { return std::move(seal_); }
  /// Whether the reply to a request is outstanding.
  [[nodiscard]] bool is_asking() const { return asking_; }
  /// Whether the server may know the token.
  [[nodiscard]] bool was_sent() const { return was_sent_; }
  /// When to call `on_timer`.
  [[nodiscard]] std::optional<Instant> timer() const { return timer_; }

 private:
  void note_sent();
  [[nodiscard]] std::string_view mode() const;
  Step on_queued(Words words, Instant sent, std::string_view& given_up);

  Request request_;
  Drift drift_;
  bool asking_ = false;
  bool was_called_ = false;  ///< a grant, or a push to the head, came while it was asking
  bool was_sent_ = false;
  Duration asked_ttl_{};  ///< of the last request
  std::string ticket_;
  std::int64_t place_ = 0;
  std::optional<RandomBits> own_seal_;
  std::string seal_;
  std::optional<ClockPair> pair_;
  std::optional<Instant> timer_;
  std::optional<Instant> patient_timer_;  ///< ... if it need not poll
};

}  // namespace dlock::core
