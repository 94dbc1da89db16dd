// A measured run: what the runner asks for, and the samples that answer it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace dlock::bench {

/// The line `start`; bench/driver.py says what each word means.
struct Start {
  std::string subject;
  bool own = false;  ///< each worker has a lock of its own, instead of one for all
  std::string name;
  int workers = 1;
  std::int64_t count = 0;  ///< acquisitions for each worker; 0: until the end
  std::chrono::milliseconds hold{};
  std::chrono::milliseconds ttl{};
  std::string file;

  [[nodiscard]] std::string name_of(int worker) const;  ///< the lock of this worker
  [[nodiscard]] std::string warm_name(int worker) const;
};

/// When to begin and to end, on CLOCK_MONOTONIC, which all processes of a machine share.
struct Window {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

inline std::int64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void sleep_until(std::int64_t monotonic_ns);

/// One acquisition: worker, asked, acquired, releasing, released.
using Sample = std::array<std::int64_t, 5>;

struct Result {
  std::vector<std::vector<Sample>> samples;  ///< of each worker
  std::int64_t acquired = 0;                 ///< where no samples are kept
  std::int64_t errors = 0;
};

/// A subject that is ready: connected, its scripts loaded. Destroyed after `go`.
class Run {
 public:
  Run() = default;
  virtual ~Run() = default;
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  virtual Result go(const Window& window) = 0;
};

/// A server on this machine: by TCP, or by its unix socket.
struct Server {
  std::string url;
  int port = 0;             ///< 0: none
  std::string socket_path;  ///< empty: none
};

/// Makes the subject that `start` names; throws std::invalid_argument when there is none.
std::unique_ptr<Run> make_run(const Server& server, const Start& start);

/// Calls `acquire` and `release` in turn as `start` says, and notes when.
template <class Acquire, class Release>
void take_turns(const Start& start, const Window& window, int worker, std::vector<Sample>& samples,
                Acquire acquire, Release release) {
  sleep_until(window.begin);
  for (std::int64_t done = 0; (start.count == 0 || done < start.count) && now_ns() < window.end;
       ++done) {
    Sample sample{worker, now_ns()};
    acquire();
    sample[2] = now_ns();
    if (start.hold.count() > 0) std::this_thread::sleep_for(start.hold);
    sample[3] = now_ns();
    release();
    sample[4] = now_ns();
    samples.push_back(sample);
  }
}

/// Runs `work(worker)` in a thread for each worker, and waits for them.
template <class Work>
void in_threads(int workers, Work work) {
  std::vector<std::jthread> threads;
  threads.reserve(static_cast<std::size_t>(workers));
  for (int worker = 0; worker < workers; ++worker) threads.emplace_back(work, worker);
}

}  // namespace dlock::bench
