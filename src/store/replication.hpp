// Replication: leases that count only once enough replicas have them.
//
// WAIT waits for what its own connection wrote. So each lease is first renewed on the connection
// that then waits: a write that follows the acquisition, on the server that still has the lease.
// That connection is not the shared one, where a WAIT would delay everything behind it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/engine/hold.hpp"
#include "dlock/error.hpp"
#include "runtime/callbacks.hpp"
#include "store/side_channel.hpp"

namespace dlock::detail {

/// Thread-safe. Has its own connection and thread. Requests that come during a WAIT share the next
/// one.
class Replication {
 public:
  using Records = std::vector<std::shared_ptr<core::LeaseRecord>>;
  /// How many replicas, and how long to wait for them.
  struct Terms {
    std::int64_t replicas = 0;
    std::chrono::milliseconds timeout{};
    friend bool operator==(const Terms&, const Terms&) = default;
  };
  /// Why the leases do not count: the error of the acquisition.
  struct Failure {
    errc code{};
    std::string what;
  };
  /// Nullopt: enough replicas have all leases, and the leases still hold.
  using Outcome = std::optional<Failure>;
  using Handler = std::function<void(Outcome)>;

  /// Handlers run on `callbacks`. Both outlive this. Throws `std::system_error` if the
  /// thread cannot be started.
  Replication(const StoreConfig& config, runtime::Callbacks& callbacks);
  ~Replication();
  Replication(const Replication&) = delete;
  Replication& operator=(const Replication&) = delete;

  /// Waits; `stop` ends the wait with `errc::cancelled`. The caller keeps the leases in any case.
  [[nodiscard]] Outcome await(Records leases, Terms terms, const std::stop_token& stop);
  /// Cancels all waits, present and future. Does not wait.
  void end();
  /// The same without waiting: calls `then` on the callback thread.
  void start(Records leases, Terms terms, const std::stop_token& stop, Handler then);

 private:
  struct Request {
    Records leases;
    Terms terms;
    std::stop_token stop;
    Handler then;  ///< this class's thread calls it
  };
  /// How many replicas have each lease; nullopt: the server no longer has it.
  using Answer = std::vector<std::optional<std::int64_t>>;
  /// Where each lease was renewed; null: the server no longer has it.
  using Places = std::vector<redis::Connection*>;

  void add(Request request);
  void run();
  [[nodiscard]] std::vector<Request> take_batch();
  void serve(std::vector<Request> batch);
  [[nodiscard]] Answer ask(const Records& leases, const Terms& terms);
  [[nodiscard]] Places renew(const Records& leases);
  void renew_some(const Records& leases, std::span<const std::size_t> some, Places& places);
  [[nodiscard]] Answer wait_for_replicas(const Places& places, const Terms& terms);
  [[nodiscard]] Outcome judge(const Request& request,
                              std::span<const std::optional<std::int64_t>> replicas) const;

  const StoreConfig& config_;
  runtime::Callbacks& callbacks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  bool ends_ = false;
  std::stop_source stop_;               ///< ends the wait of the thread
  std::unique_ptr<SideChannel> store_;  ///< the thread's
  std::thread thread_;
};

}  // namespace dlock::detail
