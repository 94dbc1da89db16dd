// LeaderValue: a leader's value, and the thread that keeps it on the servers.
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

/// Thread-safe. The value counts only while the lock has the holder's token, so it may outlive the
/// lease: its key lives for three periods.
class LeaderValue {
 public:
  /// The value of the holder of `lease`.
  explicit LeaderValue(const Lease& lease);
  ~LeaderValue() { withdraw(); }
  LeaderValue(const LeaderValue&) = delete;
  LeaderValue& operator=(const LeaderValue&) = delete;

  /// Writes the value. Throws `LockLost`. After any other error a thread goes on writing it. `stop`
  /// ends the call with `Cancelled`.
  void proclaim(std::string_view value, const std::stop_token& stop = {});
  /// Deletes the value if there is a connection; otherwise the value expires. Blocks for at most
  /// one request timeout.
  void withdraw() noexcept;
  [[nodiscard]] std::string value() const;
  [[nodiscard]] const std::shared_ptr<Session>& client() const noexcept { return client_; }

 private:
  void send(const std::stop_token& stop);
  void repeat();

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
  std::stop_source ends_;  ///< ends the waits of that thread
  std::thread repeater_;
};

}  // namespace dlock::detail
