// Hub: what all clients of `dlock serve` see, made once a second for all of them.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cli/survey/sampler.hpp"
#include "cli/survey/snapshot.hpp"
#include "dlock/client.hpp"
#include "dlock/leader_observer.hpp"

namespace dlock::cli {

/// One JSON object.
[[nodiscard]] std::string leader_json(const Leader& leader);

/// Thread-safe.
class Hub {
 public:
  /// Starts the thread.
  Hub(Client& client, Sampler& sampler);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  [[nodiscard]] const std::string& url() const noexcept { return client_.url(); }
  [[nodiscard]] std::shared_ptr<const Snapshot> latest() const { return sampler_.latest(); }
  /// From now on, for ten seconds, this lock is looked at more often.
  void watch(const std::string& name);
  /// The snapshot as JSON, with a number that grows. Waits for a later one than `number`, or for
  /// `patience`; then it is empty.
  struct Update {
    std::uint64_t number = 0;
    std::shared_ptr<const std::string> json{};
  };
  [[nodiscard]] Update after(std::uint64_t number, std::chrono::milliseconds patience) const;
  /// How waits went over the last hour, as JSON.
  [[nodiscard]] std::string history_json() const;
  /// The leader of an election, as it was at most a second ago. Throws what `Election::leader`
  /// throws.
  [[nodiscard]] std::optional<Leader> leader(const std::string& name);
  /// The elections and their leaders, as they were at most two seconds ago, as JSON.
  [[nodiscard]] std::string elections_json();
  /// The latches and barriers, as they were at most two seconds ago, as JSON.
  [[nodiscard]] std::string gates_json();
  /// What the doctor found at most a minute ago, as JSON. Throws what `check_up` throws.
  [[nodiscard]] std::string doctor_json();

 private:
  // The greatest figures of ten seconds.
  struct Bucket {
    std::int64_t waiters = 0;
    std::int64_t longest_wait_ms = 0;
    std::int64_t held = 0;
  };
  struct KnownLeader {
    std::optional<Leader> leader{};
    runtime::BootTime read_at{};
  };

  void run();
  void record(const Snapshot& snapshot, runtime::BootTime now);
  void focus(const Snapshot& snapshot, runtime::BootTime now);

  Client& client_;
  Sampler& sampler_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool is_over_ = false;
  Update update_;
  std::array<Bucket, 360> history_{};  ///< a ring
  std::int64_t buckets_ = 0;           ///< how many were begun
  runtime::BootTime next_bucket_{};
  std::map<std::string, runtime::BootTime> watched_;  ///< until when

  std::mutex leaders_mutex_;
  std::map<std::string, KnownLeader> leaders_;
  // An answer that one client makes and the others share.
  struct Shared {
    std::mutex mutex{};
    std::string json{};
    runtime::BootTime made_at{};
  };
  template <class Make>
  static std::string share(Shared& shared, std::chrono::seconds life, Make make);
  Shared elections_;
  Shared gates_;
  Shared doctor_;

  std::thread thread_;  // last: it uses all others
};

}  // namespace dlock::cli
