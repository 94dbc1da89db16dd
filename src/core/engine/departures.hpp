// Departures: the tokens that must not stay on the server.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/engine/actions.hpp"
#include "core/engine/hold.hpp"
#include "core/wire/command.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

struct Departure {
  Token token{};
  LockId lock{};
  Duration life{};            ///< of what an acquire of it leaves on the server
  Instant hold_off_until{};   ///< its release leaves the lock taken until then
  LeaseId lease = 0;          ///< whose user waits for the answer; 0: nobody
  bool held = false;          ///< it had the lease: its release is repeated until that has run out
  bool riding = false;        ///< travels with an acquire, not alone
  bool late = false;          ///< an acquire of it may still act on a dead connection
  bool may_reappear = false;  ///< ... and could not be stopped: release it again and again
  // Of the departures' own:
  Instant until{};  ///< the server forgets it by itself
  Instant answer_by{};
  bool sent = false;
  bool whole = false;
  std::optional<Instant> again{};
  Duration back_off{};  ///< after the last error
};

/// Each is answered to its user by one Released, within the request timeout, and forgotten once the
/// server has nothing of it. Knows no connection: its engine sends the commands. Not thread-safe.
class Departures {
 public:
  using Id = std::uint64_t;
  /// What a reply is.
  enum class Verdict : std::uint8_t {
    none,            ///< an error, or to a departure that is over
    good,            ///< the answer
    unknown_script,  ///< send `command` again: it has the whole script now
    shifted,         ///< to another request
  };

  Departures(Output& output, Duration request_timeout)
      : output_(output), request_timeout_(request_timeout) {}

  void add(Instant now, Id id, Departure&& departure);
  /// The release of `id`, which counts as sent.
  [[nodiscard]] Command command(Instant now, Id id);
  /// Its release goes along with an acquire.
  const Token& ride(Id id);
  /// Its user has been told.
  void forget_user(Id id) { all_.at(id).lease = 0; }

  [[nodiscard]] Verdict on_reply(Instant now, Id id, const Reply& reply);
  /// Answers the user, and forgets the token unless it may come back. Nothing if it is over.
  void finish(Instant now, Id id, Released::Kind kind);
  /// An acquire of `token` may have acted as late as now.
  void outlive(Instant now, std::string_view token);
  /// `was_asked`: whether an acquire of a token was not answered.
  void on_disconnected(Instant now, const std::function<bool(const Token&)>& was_asked);
  /// `old_is_dead`: nothing that was sent on an earlier connection can still be carried out.
  void on_connected(bool old_is_dead);
  /// Calls `send` for those which are to be released again.
  void on_timer(Instant now, bool is_connected, const std::function<void(Id)>& send);
  [[nodiscard]] std::optional<Instant> timer() const { return timer_; }

  [[nodiscard]] bool contains(Id id) const { return all_.contains(id); }
  [[nodiscard]] const Token& token(Id id) const { return all_.at(id).token; }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] const std::map<Id, Departure>& all() const { return all_; }
  /// Whether none is of a lease, or waits for the server's answer.
  [[nodiscard]] bool settled() const;

 private:
  static void outlive(Instant now, Departure& departure);
  void again(Instant now, Departure& departure, Duration delay);
  void forget(Id id);
  void wake_by(Instant when) { timer_ = std::min(timer_.value_or(when), when); }

  Output& output_;
  Duration request_timeout_;
  std::map<Id, Departure> all_;
  std::optional<Instant> timer_;  ///< none has anything to do before
};

}  // namespace dlock::core
