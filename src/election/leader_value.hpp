// LeaderValue: what a leader says, and the thread that keeps it on the server.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "core/engine/hold.hpp"
#include "dlock/lease.hpp"
#include "session/session.hpp"
#include "store/server_set.hpp"

namespace dlock::detail {

/// Throws `UsageError` for a value that is too long.
void check_proclaimed(std::string_view value);

/// Thread-safe. It counts for as long as the lock has the holder's token, so it need not end with
/// the lease to the moment: its key lives three times as long as it takes to keep it again.
class LeaderValue {
 public:
  /// Of the holder of `lease`.
  explicit LeaderValue(const Lease& lease);
  ~LeaderValue() { withdraw(); }
  LeaderValue(const LeaderValue&) = delete;
  LeaderValue& operator=(const LeaderValue&) = delete;

  /// Writes the value, for the first time or another. Throws `LockLost`; after anything else it is
  /// written in the background. `stop` ends that with `Cancelled`.
  void proclaim(std::string_view value, const std::stop_token& stop = {});
  /// Takes it back, if there is a connection to do it by; else it is left to expire. Blocks for at
  /// most one request timeout.
  void withdraw() noexcept;
  [[nodiscard]] std::string value() const;
  [[nodiscard]] const std::shared_ptr<Session>& client() const noexcept { return client_; }

 private:
  void send(const std::stop_token& stop);
  void keep();

  const std::shared_ptr<Session> client_;
  const std::shared_ptr<const core::LeaseRecord> lease_;
  const std::string name_;
  const std::chrono::milliseconds period_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ServerSet servers_;
  std::string value_;
  std::int64_t revision_ = 0;
  bool withdrawn_ = false;
  std::stop_source ends_;  ///< what the keeper waits for
  std::thread keeper_;
};

}  // namespace dlock::detail
