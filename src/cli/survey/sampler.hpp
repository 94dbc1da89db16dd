// Sampler: the one thread that reads a store for all who look at it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "cli/survey/snapshot.hpp"
#include "cli/survey/store_survey.hpp"
#include "dlock/client.hpp"

namespace dlock::cli {

struct SamplerOptions {
  std::string pattern = "*";
  double max_commands = 50;                  ///< a second
  std::chrono::milliseconds interval{1000};  ///< from the begin of a sweep to that of the next
};

/// How many locks may be in focus.
inline constexpr std::size_t max_focus = 200;

/// Looks at the locks in focus four times a second, and at all others once in each sweep, within
/// the limit of commands. Goes on when the store fails. Thread-safe.
class Sampler {
 public:
  /// Starts the thread. `client` must outlive the sampler.
  Sampler(Client& client, SamplerOptions options);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// Returns the latest snapshot; never null.
  [[nodiscard]] std::shared_ptr<const Snapshot> latest() const;
  /// Waits for the first answer of the store. Throws the error if it is one.
  void await_answer() const;
  /// Waits until the store has been read `sweeps` times. Throws the error if it cannot be read.
  void await_sweeps(std::uint64_t sweeps) const;
  /// Waits for as many more looks at the locks in focus. Throws the error if there is one.
  void await_looks(std::uint64_t looks) const;
  /// From now on looks at these locks more often.
  void focus(std::vector<std::string> names);

 private:
  void run(const std::stop_token& stop);
  std::chrono::nanoseconds work(StoreSurvey& survey);
  void publish(const StoreSurvey& survey, bool has_asked);
  void report(std::exception_ptr problem);

  Client& client_;
  const SamplerOptions options_;

  // Only the thread uses these.
  runtime::BootTime next_look_{};
  runtime::BootTime next_sweep_{};
  runtime::BootTime published_at_{};
  bool is_sweeping_ = false;
  bool has_looked_ = false;  ///< since the last step of a sweep

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::shared_ptr<const Snapshot> latest_ = std::make_shared<Snapshot>();
  std::exception_ptr problem_;
  bool has_answer_ = false;
  std::vector<std::string> focus_;
  std::stop_source stop_;
  std::thread thread_;  // last: it uses all others
};

}  // namespace dlock::cli
