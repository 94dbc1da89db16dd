// Link: the health of the connection. Whether there is one, how long the server has been silent,
// and when to connect again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/wire/time.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"

namespace dlock::core {

/// Knows no socket and sends nothing: its engine tells it what happens, and asks it what is due.
/// Not thread-safe.
class Link {
 public:
  using Error = std::pair<errc, std::string>;

  /// Waits continue for `patience` while no server answers.
  explicit Link(Duration patience) : patience_(patience) {}

  [[nodiscard]] bool is_connected() const { return connected_; }
  /// Whether there is no connection, and none is planned.
  [[nodiscard]] bool is_idle() const { return !connected_ && !connecting_ && !reconnect_at_; }
  [[nodiscard]] bool was_ever_connected() const { return ever_connected_; }

  /// A connection is needed. Returns whether to send the Connect action now.
  [[nodiscard]] bool connect();
  void on_connected(Instant now);
  void on_connect_failed() { connecting_ = false; }
  void on_disconnected();
  /// No connection is needed any more.
  void stop_reconnecting() { reconnect_at_.reset(); }

  /// The server sent something.
  void on_heard(Instant now) { heard_ = now; }
  /// The server sent a reply.
  void on_answered(Instant now) { heard_ = answered_ = now; }
  /// A script succeeded: the trouble is over.
  void on_good_reply();
  /// Grants cannot reach this client, for this reason.
  void on_subscribe_failed(Error error) { subscribe_error_ = std::move(error); }
  [[nodiscard]] const std::optional<Error>& subscribe_error() const { return subscribe_error_; }

  /// The server does not answer as it should; `why` says the reason, if it is new. Returns whether
  /// this has lasted longer than the patience.
  bool on_trouble(Instant now, std::string_view why = {});
  /// Returns `what` with the reason of the last trouble, if there is any.
  [[nodiscard]] std::string explained(const std::string& what) const;
  [[nodiscard]] bool is_in_trouble() const { return trouble_since_.has_value(); }
  /// Trouble in a time without waiters does not count.
  void forget_idle_trouble(Instant now);

  /// Returns true to connect at once, which it does after the first loss of a good connection;
  /// false to connect after a pause.
  [[nodiscard]] bool may_reconnect_at_once() const { return delay_ == Duration::zero(); }
  /// The client connects again at once; the next pause is the second.
  void reconnect_at_once();
  void reconnect_later(Instant now, RandomBits random);
  [[nodiscard]] std::optional<Instant> reconnect_at() const {
    return connected_ || connecting_ ? std::nullopt : reconnect_at_;
  }
  /// Whether the pause is over; the link then forgets it.
  [[nodiscard]] bool take_reconnect(Instant now);

  /// When a request that left at `sent` counts as unanswered. Replies come in order, so its time
  /// begins when the one before it was answered: a slow server is not a dead one.
  [[nodiscard]] Instant answer_due(Instant sent, Duration timeout) const {
    return std::max(sent, answered_) + timeout;
  }
  /// When to ping a server that owes no reply and was silent for `silence`.
  [[nodiscard]] Instant ping_at(Duration silence) const { return heard_ + silence; }
  /// How long a server may be silent while somebody waits.
  static constexpr Duration ping_time = std::chrono::seconds{2};
  /// Whether the connection may have died unnoticed before a request that left at `sent`.
  [[nodiscard]] bool is_doubtful(Instant sent) const { return heard_ + doubt_time <= sent; }
  /// The server refuses this user a command that a block needs. It would refuse the next one too.
  void on_blocks_refused() { runs_blocks_ = false; }
  [[nodiscard]] bool runs_blocks() const { return runs_blocks_; }
  /// The server does not tell of changes of keys on this connection.
  void on_watch_refused() { may_watch_ = false; }
  [[nodiscard]] bool may_watch() const { return may_watch_; }
  void on_enrolled(Instant now) { enrolled_ = now; }
  /// Whether the client is registered by this connection; it is not afterwards.
  [[nodiscard]] bool take_enrolled() { return std::exchange(enrolled_, std::nullopt).has_value(); }
  /// When to renew this client's registration; none without a connection.
  [[nodiscard]] std::optional<Instant> enroll_at() const {
    return connected_ && enrolled_ ? std::optional{*enrolled_ + registration_life / 2}
                                   : std::nullopt;
  }

  /// How long the registration lives on the server.
  static constexpr Duration registration_life = std::chrono::seconds{600};

 private:
  static constexpr Duration doubt_time = std::chrono::seconds{5};

  Duration patience_;
  bool connected_ = false;
  bool connecting_ = false;
  bool ever_connected_ = false;
  bool runs_blocks_ = true;
  bool may_watch_ = true;
  Instant heard_;
  Instant answered_;  ///< when the last reply came, or the connection was made
  std::optional<Instant> enrolled_;
  std::optional<Error> subscribe_error_;
  std::optional<Instant> trouble_since_;  ///< when the good replies ended
  std::string trouble_;                   ///< the last reason
  std::optional<Instant> reconnect_at_;
  Duration delay_{};  ///< the last pause before a new connection; zero: the last one was good
};

}  // namespace dlock::core
