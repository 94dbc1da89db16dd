// The lock scripts on a real server whose clock stands still, with the interface of the model.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "script/link.hpp"
#include "script/script.hpp"
#include "support/frozen_clock.hpp"
#include "support/gates_model.hpp"
#include "support/permits_model.hpp"
#include "support/redis_server.hpp"
#include "support/store_model.hpp"

namespace dlock::test {

/// The token of client `client`'s acquisition number `number`.
std::string make_token(int client, int number, std::string_view claim_ms = "3000");
std::string channel_of_client(int client);

/// Errors are replies that begin with a minus sign.
class Store {
 public:
  /// `config`: more lines of redis.conf.
  explicit Store(std::vector<std::string> config = {}, bool persistent = false);

  std::string acquire(const StoreModel::Acquire& request);
  std::string acquire_bare(const std::string& key, const std::string& token, Millis ttl);
  std::string release_bare(const std::string& key, const std::string& token);
  std::string acquire_all(const std::vector<StoreModel::Acquire>& requests);
  std::string release(const std::string& key, const std::string& token,
                      std::optional<Millis> keep = {});
  std::string renew(std::string_view echo, const std::vector<StoreModel::Renewal>& renewals);
  std::string write_fence(const std::string& key, const std::string& token, Millis ttl,
                          std::int64_t counter);
  std::string break_(const std::string& key, std::int64_t counter, int sequence, bool ask);
  std::string break_unrecorded(const std::string& key, const std::string& value);

  // For permits.
  std::string take_permits(const PermitsModel::Acquire& request);
  std::string release_permits(const std::string& key, const std::string& token);
  std::string renew_permits(std::string_view echo,
                            const std::vector<PermitsModel::Renewal>& renewals);
  std::string write_permits_fence(const PermitsModel::Renewal& lease, bool is_new);
  std::string break_permits(const std::string& key, std::int64_t counter, std::string_view how);
  std::string resize(const std::string& key, std::int64_t capacity);

  /// A script of a gate.
  std::string at_gate(const script::Script& script, const std::string& key,
                      const std::vector<std::string>& args);

  [[nodiscard]] LockState state(const std::string& key);
  [[nodiscard]] GateState gate_state(const std::string& key);
  [[nodiscard]] std::int64_t fence();
  /// How often anything was changed: what replicas are told.
  [[nodiscard]] std::int64_t changes();
  /// Any command; the reply in one line, the elements of lists with spaces between.
  std::string command(std::initializer_list<std::string_view> fields);

  /// Runs the scripts as a user that may do everything, or everything but publish.
  void allow_publish(bool allowed);
  /// All as new: nothing stored, publishing allowed, the clock at its start.
  void reset();
  /// To be called after the server was restarted.
  void reconnect();

  [[nodiscard]] FrozenClock& clock() { return clock_; }
  [[nodiscard]] RedisServer& server() { return server_; }

  static std::string queue_key(const std::string& key) { return "queue:" + key; }
  static std::string seen_key(const std::string& key) { return "seen:" + key; }
  /// The lock whose permits are the parts of a gate.
  static std::string parts_key(const std::string& key) { return "parts:" + key; }
  static constexpr std::string_view fence_key = "fence";

 private:
  std::string run(const script::Script& script, const std::vector<std::string>& keys,
                  const std::vector<std::string>& args);

  FrozenClock clock_;
  Micros start_;
  RedisServer server_;
  std::unique_ptr<Link> scripts_;  ///< logged in as the user "scripts"
  std::unique_ptr<Link> other_;
  bool may_publish_ = true;
  const bool is_plain_ = std::getenv("DLOCK_TEST_WAYS") != nullptr;  ///< as in lesser_server.py
};

}  // namespace dlock::test
