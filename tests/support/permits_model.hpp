// The part of the reference model that holds permits: a semaphore with weights.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "support/store_model.hpp"

namespace dlock::test {

/// When each holder ends, by the `LockState::value` of a lock; empty if it is none of permits.
[[nodiscard]] std::map<std::string, Micros> permits_holders(const std::string& value);

/// Works on the locks of a `StoreModel`. As that: every call brings the server's time.
class PermitsModel {
 public:
  explicit PermitsModel(StoreModel& store) : store_(store) {}

  struct Acquire {
    std::string key;
    std::string token;
    Millis ttl{};
    std::int64_t capacity = 0;
    bool wait = true;
    bool first = false;
    std::optional<std::int64_t> ticket{};
    std::string old{};
    std::string seal{};  ///< to wait: for a lock that has none
  };
  struct Renewal {
    std::string key;
    std::string token;
    Millis ttl{};
    std::int64_t counter = 0;
  };

  std::string acquire(Micros now, const Acquire& request);
  std::string release(Micros now, const std::string& key, const std::string& token);
  std::string renew(Micros now, std::string_view echo, std::span<const Renewal> renewals);
  /// The renewal's counter is the one to write.
  std::string write_fence(Micros now, const Renewal& lease, bool is_new);
  /// `how`: "ask", "force" or "look".
  std::string break_(Micros now, const std::string& key, std::int64_t counter,
                     std::string_view how);
  std::string resize(Micros now, const std::string& key, std::int64_t capacity);

  /// By the name of the script.
  std::string run(Micros now, std::string_view script, std::span<const std::string> keys,
                  std::span<const std::string> args);

 private:
  using Lock = StoreModel::Lock;
  using Value = StoreModel::Value;
  /// A lock while a script runs on it.
  struct Visit {
    Lock& lock;
    Micros now;
    bool usable = true;                      ///< false: the key is something else
    std::optional<std::int64_t> capacity{};  ///< none: the key does not exist
    bool freed = false;
    std::string seal{};  ///< of the lock, also while its key is away

    [[nodiscard]] std::int64_t used() const { return lock.value ? lock.value->used : 0; }
    [[nodiscard]] bool fits(std::int64_t weight) const { return used() + weight <= *capacity; }
    [[nodiscard]] bool holds(const std::string& token) const {
      return lock.value && lock.value->holders.contains(token);
    }
    bool leave(const std::string& token);
    [[nodiscard]] std::int64_t left_ms() const;
    [[nodiscard]] bool is_alive(const ModelQueue::Entry& waiter) const;
  };
  enum class Outcome : std::uint8_t { empty, yours, waits, more, mute };

  Visit look(Micros now, const std::string& key);
  std::int64_t enter(Visit& visit, const std::string& token, std::int64_t weight, Millis life);
  std::optional<std::int64_t> take(Visit& visit, const Acquire& request, Outcome& outcome);
  std::string enqueue(Visit& visit, const Acquire& request, std::int64_t left);
  int tell(const std::string& token, std::int64_t in_ms);
  std::optional<Outcome> grant(Visit& visit, const ModelQueue::Entry& head);
  Outcome hand_off(Visit& visit, const std::string& me, bool stays);
  std::optional<Outcome> at_head(Visit& visit, const std::string& me, bool stays);
  Outcome pass_on(Visit& visit);

  StoreModel& store_;
};

}  // namespace dlock::test
