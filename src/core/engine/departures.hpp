// Departures: tokens that the client removes from the server.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <utility>

#include "core/engine/actions.hpp"
#include "core/engine/hold.hpp"
#include "core/wire/command.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/pool.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

struct Departure {
  Token token{};
  LockId lock{};
  Duration life{};            ///< how long an acquire of it lasts on the server
  Instant hold_off_until{};   ///< its release keeps the lock closed until then
  LeaseId lease = 0;          ///< the lease whose user waits for the answer; 0: none
  GroupId group = 0;          ///< of that lease
  bool held = false;          ///< it had the lease: the release is repeated until that ends
  bool riding = false;        ///< an acquire carries the release
  bool bare = false;          ///< the server's record has no fence: release it without the script
  bool late = false;          ///< the server may still run an acquire of it from a dead connection
  bool may_reappear = false;  ///< ... and cannot be stopped from that: repeat the release
  // For `Departures` alone:
  Instant until{};  ///< when its expiry removes it from the server
  Instant answer_by{};
  bool sent = false;
  bool may_be_done = false;  ///< it was sent, and its answer was lost with the connection
  bool whole = false;
  std::optional<Instant> again{};
  Duration back_off{};  ///< after the last error
};

/// Answers the user of each by one Released, within the request timeout, and forgets a token when
/// the server has nothing of it any more. Knows no connection: the engine sends the commands. Not
/// thread-safe.
class Departures {
 public:
  using Id = std::uint64_t;
  /// The meaning of a reply.
  enum class Verdict : std::uint8_t {
    none,     ///< an error, or the departure is over
    good,     ///< the answer
    resend,   ///< send `command` again: it is another one now
    shifted,  ///< it answers another request
  };

  Departures(Output& output, Duration request_timeout)
      : output_(output), request_timeout_(request_timeout) {}

  void add(Instant now, Id id, Departure&& departure);
  /// Returns the release of `id`, and counts it as sent.
  [[nodiscard]] Command command(Instant now, Id id);
  /// An acquire carries its release.
  const Token& ride(Id id);
  /// Its user has the answer.
  void forget_user(Id id) { all_.at(id).lease = 0; }

  [[nodiscard]] Verdict on_reply(Instant now, Id id, const Reply& reply);
  /// Answers the user, and forgets the token unless it may reappear. Does nothing if it is over.
  void finish(Instant now, Id id, Released::Kind kind);
  /// The server may have run an acquire of `token` as late as now.
  void outlive(Instant now, std::string_view token);
  /// `was_asked` says whether an acquire of a token has no answer.
  void on_disconnected(Instant now, const std::function<bool(const Token&)>& was_asked);
  /// `old_is_dead`: the server runs nothing more from earlier connections.
  void on_connected(bool old_is_dead);
  /// Calls `send` for each whose release is to be repeated.
  void on_timer(Instant now, bool is_connected, const std::function<void(Id)>& send);
  [[nodiscard]] std::optional<Instant> timer() const { return timer_; }

  [[nodiscard]] bool contains(Id id) const { return all_.contains(id); }
  [[nodiscard]] const Token& token(Id id) const { return all_.at(id).token; }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  using All = std::pmr::map<Id, Departure>;
  [[nodiscard]] const All& all() const { return all_; }
  /// Whether none has a lease or waits for an answer of the server.
  [[nodiscard]] bool settled() const;

 private:
  Verdict on_bare_reply(Instant now, Id id, Departure& departure, const Reply& reply);
  static void outlive(Instant now, Departure& departure);
  void again(Instant now, Departure& departure, Duration delay);
  void forget(Id id);
  void wake_by(Instant when) { timer_ = std::min(timer_.value_or(when), when); }

  Output& output_;
  Duration request_timeout_;
  Pool pool_;
  All all_{&pool_};
  std::optional<Instant> timer_;  ///< nothing is due before
};

}  // namespace dlock::core
