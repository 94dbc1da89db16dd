// Replication: leases that count only when so many replicas have them.
//
// WAIT waits for what its own connection wrote, so each lease is renewed on the connection that
// then waits: a write that is later than the acquisition, to the server that still has it. That
// connection is not the shared one, where everything behind a WAIT would wait too.
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

/// Thread-safe. Has a connection and a thread of its own; what is asked for meanwhile shares the
/// next WAIT.
class Replication {
 public:
  using Records = std::vector<std::shared_ptr<core::LeaseRecord>>;
  /// How many replicas, and how long to wait for them.
  struct Terms {
    std::int64_t replicas = 0;
    std::chrono::milliseconds timeout{};
    friend bool operator==(const Terms&, const Terms&) = default;
  };
  /// Why leases may not count: what the acquisition is to fail with.
  struct Failure {
    errc code{};
    std::string what;
  };
  /// None: so many replicas have all of them, and they still hold.
  using Outcome = std::optional<Failure>;
  using Handler = std::function<void(Outcome)>;

  /// Handlers run on `callbacks`. Both outlive this. Throws `std::system_error` when there can be
  /// no thread.
  Replication(const StoreConfig& config, Callbacks& callbacks);
  ~Replication();
  Replication(const Replication&) = delete;
  Replication& operator=(const Replication&) = delete;

  /// Waits; `stop` ends that with `errc::cancelled`. The leases are the caller's, whatever comes.
  [[nodiscard]] Outcome await(Records leases, Terms terms, const std::stop_token& stop);
  /// Cancels what is waited for, now and later. Does not wait.
  void end();
  /// As `await`, without waiting: `then` is called on the callback thread.
  void start(Records leases, Terms terms, const std::stop_token& stop, Handler then);

 private:
  struct Request {
    Records leases;
    Terms terms;
    std::stop_token stop;
    Handler then;  ///< called on the thread here
  };
  /// How many replicas have each lease; none: it is not on the server any more.
  using Answer = std::vector<std::optional<std::int64_t>>;
  /// Where each lease was renewed; none: it is not on the server any more.
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
  Callbacks& callbacks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  bool ends_ = false;
  std::stop_source stop_;               ///< of what the thread waits for
  std::unique_ptr<SideChannel> store_;  ///< the thread's
  std::thread thread_;
};

}  // namespace dlock::detail
