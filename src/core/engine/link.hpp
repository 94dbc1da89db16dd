// Link: the health of the connection. Whether there is one, how long nobody has answered, and when
// to try again.
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

  /// Waits go on for `patience` while no server answers.
  explicit Link(Duration patience) : patience_(patience) {}

  [[nodiscard]] bool is_connected() const { return connected_; }
  /// Whether there is no connection, and none is being made or will be.
  [[nodiscard]] bool is_idle() const { return !connected_ && !connecting_ && !reconnect_at_; }
  [[nodiscard]] bool was_ever_connected() const { return ever_connected_; }
  [[nodiscard]] Instant connected_at() const { return connected_at_; }

  /// A connection is needed. Whether its maker must be asked for it now.
  [[nodiscard]] bool connect();
  void on_connected(Instant now);
  void on_connect_failed() { connecting_ = false; }
  void on_disconnected();
  /// Nobody needs a connection any more.
  void stop_reconnecting() { reconnect_at_.reset(); }

  /// Anything came from the server.
  void on_heard(Instant now) { heard_ = now; }
  /// A reply came from the server.
  void on_answered(Instant now) { heard_ = answered_ = now; }
  /// A script answered as it should: what was wrong is over.
  void on_good_reply();
  /// No grant can reach this client, for this reason.
  void on_subscribe_failed(Error error) { subscribe_error_ = std::move(error); }
  [[nodiscard]] const std::optional<Error>& subscribe_error() const { return subscribe_error_; }

  /// The server does not answer as it should, and `why`, if that is new. Whether that has outlasted
  /// the patience.
  bool on_trouble(Instant now, std::string_view why = {});
  /// `what` with the reason of the last trouble, if there was any.
  [[nodiscard]] std::string explained(const std::string& what) const;
  [[nodiscard]] bool is_in_trouble() const { return trouble_since_.has_value(); }
  /// What was while nobody waited does not count.
  void forget_idle_trouble(Instant now);

  /// After the first loss of a connection that was good, a new one is made at once: true. Else
  /// after a wait: false.
  [[nodiscard]] bool may_reconnect_at_once() const { return delay_ == Duration::zero(); }
  /// The connection is made again at once; the next wait is the second.
  void reconnect_at_once();
  void reconnect_later(Instant now, RandomBits random);
  [[nodiscard]] std::optional<Instant> reconnect_at() const;
  /// Whether the wait is over; then it is forgotten.
  [[nodiscard]] bool take_reconnect(Instant now);

  /// When a request that left at `sent` counts as unanswered. Replies come in order, so its time
  /// begins when the one before it was answered: a slow server is not a dead one.
  [[nodiscard]] Instant answer_due(Instant sent, Duration timeout) const {
    return std::max(sent, answered_) + timeout;
  }
  /// When a server from which nothing is expected is asked whether it is there.
  [[nodiscard]] Instant ping_at() const;
  void on_enrolled(Instant now) { enrolled_ = now; }
  /// When the server is to be told of this client again; none while there is no connection.
  [[nodiscard]] std::optional<Instant> enroll_at() const;

  /// How long the server remembers this client.
  static constexpr Duration registration_life = std::chrono::seconds{600};

 private:
  Duration patience_;
  bool connected_ = false;
  bool connecting_ = false;
  bool ever_connected_ = false;
  Instant connected_at_;
  Instant heard_;
  Instant answered_;  ///< when the last reply came, or the connection was made
  std::optional<Instant> enrolled_;
  std::optional<Error> subscribe_error_;
  std::optional<Instant> trouble_since_;  ///< no good reply since
  std::string trouble_;                   ///< why, the last time
  std::optional<Instant> reconnect_at_;
  Duration delay_{};  ///< the last wait before a new connection; zero: the last one was good
};

}  // namespace dlock::core
