// A reference model of the lock store: what the scripts must do, without a server.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/model_queue.hpp"

namespace dlock::test {

/// What `StoreModel::state` shows of a lock; the forms are those of the Redis commands GET, PTTL,
/// ZRANGE WITHSCORES and HGETALL. A pttl is -2 for "no such key", -1 for "no expiry".
struct LockState {
  std::string value = "(nil)";  ///< or "(wrong type)", or "permits MEMBER@SCORE ..."
  std::int64_t pttl = -2;
  std::vector<ModelQueue::Entry> queue{};
  std::int64_t queue_pttl = -2;
  std::map<std::string, std::int64_t> seen{};
  std::int64_t seen_pttl = -2;
  friend bool operator==(const LockState&, const LockState&) = default;
};

/// Deterministic, without I/O and clock: every call brings the server's time. Times may step back.
/// Error replies are a minus sign and the error's first word: "-WRONGTYPE".
class StoreModel {
 public:
  /// Takes a message; says how many received it, or -1: the user of the script may not publish.
  /// Must not call the model.
  using PublishFn = std::function<int(std::string_view channel, std::string_view message)>;

  explicit StoreModel(PublishFn publish);

  struct Acquire {
    std::string key;
    std::string token;
    Millis ttl{};
    bool wait = true;
    bool keep = false;  ///< a try that keeps a lock that the token took without a script
    std::optional<std::int64_t> ticket{};
    std::string old{};
    std::optional<std::int64_t> recent{};
    std::string seal{};  ///< to wait: for a lock that has none
  };
  struct Renewal {
    std::string key;
    std::string token;
    Millis ttl{};
    int sequence = 0;
    std::int64_t counter = 0;
  };

  std::string acquire(Micros now, const Acquire& request);
  /// Without a script: SET NX, GETRANGE, INCR and EXISTS in one block, and their replies.
  std::string acquire_bare(Micros now, const std::string& key, const std::string& token,
                           Millis ttl);
  /// Without a look at the queue: deletes the key if its value is just the token.
  std::string release_bare(Micros now, const std::string& key, const std::string& token);
  /// Only the key, token and ttl of each request count; the keys differ.
  std::string acquire_all(Micros now, std::span<const Acquire> requests);
  /// `keep`: for how long it is still to keep others out.
  std::string release(Micros now, const std::string& key, const std::string& token,
                      std::optional<Millis> keep = {});
  std::string renew(Micros now, std::string_view echo, std::span<const Renewal> renewals);
  std::string write_fence(Micros now, const std::string& key, const std::string& token, Millis ttl,
                          std::int64_t counter);
  std::string break_(Micros now, const std::string& key, std::int64_t counter, int sequence,
                     bool ask);
  /// The same for a holder without a recorded fence, known by the whole value.
  std::string break_unrecorded(Micros now, const std::string& key, const std::string& value);

  /// Runs a script by its name ("acquire", "release", "renew", "write_fence", "break", and those of
  /// permits), with
  /// keys and arguments as the real one takes them.
  std::string run(Micros now, std::string_view script, std::span<const std::string> keys,
                  std::span<const std::string> args);

  // Changes by other programs. The value of a `foreign_*` must not be in our form.
  bool foreign_set_nx(Micros now, const std::string& key, const std::string& value,
                      std::optional<Millis> ttl);
  void drop_wrong_types();
  void foreign_wrong_type(const std::string& key);  ///< makes it a list, whatever it was
  bool foreign_del(Micros now, const std::string& key);
  void drop_queue(const std::string& key);
  void drop_seen(const std::string& key);
  void drop_fence() { fence_ = 0; }
  void flush();

  [[nodiscard]] LockState state(Micros now, const std::string& key);
  [[nodiscard]] std::int64_t fence() const { return fence_; }
  /// The keys of all locks of which anything is left: a value, a queue or seen times.
  [[nodiscard]] std::vector<std::string> remains(Micros now);

 private:
  friend class PermitsModel;
  friend class GateModel;

  struct Value {
    enum class Kind : std::uint8_t { ours, foreign, wrong_type, permits };
    enum class Form : std::uint8_t { bare, queued_behind, recorded };
    Kind kind = Kind::ours;
    Form form = Form::recorded;  ///< ours
    std::string text;            ///< ours: the token
    std::int64_t counter = 0;    ///< ours
    int sequence = 0;            ///< ours
    std::optional<Millis> expires_at{};
    std::string seal{};                             ///< ours and permits: proves grants
    bool to_break = false;                          ///< ours: its holder was asked to give up
    std::set<std::string> marked{};                 ///< permits: the holders that were asked to
    std::int64_t capacity = 0;                      ///< permits
    std::int64_t used = 0;                          ///< permits
    std::int64_t greatest_written = 0;              ///< permits: the greatest of those who left
    std::map<std::string, std::int64_t> written{};  ///< permits: the holders' counters
    std::map<std::string, std::int64_t> holders{};  ///< permits: when they end
  };
  struct Seen {
    std::map<std::string, std::int64_t> times;
    std::optional<Millis> expires_at{};

    void note(Micros now, const std::string& token, std::int64_t time, Millis life);
    std::optional<std::int64_t> take(const std::string& token);
  };
  struct Lock {
    std::optional<Value> value;
    ModelQueue queue;
    Seen seen;

    [[nodiscard]] bool held_by(std::string_view token) const;
    void leave(const std::string& token);
  };
  enum class Outcome : std::uint8_t { granted, yours, nobody, foreign_turn, mute };
  struct HandOff {
    Outcome outcome{};
    Millis left{};  ///< of the foreign turn
  };

  static std::int64_t pttl(const std::optional<Millis>& expires_at, Micros now);
  static void keep_for(std::optional<Millis>& expires_at, Micros now, Millis life);
  static std::string show(const Value& value);
  Lock& at(Micros now, const std::string& key);
  static std::string grant_of(const std::string& token, std::int64_t counter, Micros now,
                              const std::string& seal);
  void own(Micros now, Lock& lock, const std::string& token, Millis life,
           const std::string& seal = {});
  void set_owner(Micros now, Lock& lock, const std::string& token, Millis life,
                 const std::string& seal = {});
  /// The `seal` proves to its receiver that it is true.
  HandOff hand_off(Micros now, Lock& lock, std::string_view me, bool yields,
                   const std::string& seal = {});
  std::optional<Outcome> grant(Micros now, Lock& lock, const ModelQueue::Entry& waiter,
                               const std::string& seal);
  [[nodiscard]] Micros foreign_turn(Micros now, const Lock& lock, std::int64_t score,
                                    std::string_view me, bool yields) const;
  void take_away(Micros now, Lock& lock);
  std::string take_or_queue(Micros now, Lock& lock, const Acquire& request, bool gives_up);
  std::string enqueue(Micros now, Lock& lock, const Acquire& request, Millis left);
  void tell_head(const Lock& lock, Millis in);

  PublishFn publish_;
  std::map<std::string, Lock> locks_;
  std::int64_t fence_ = 0;
};

}  // namespace dlock::test
