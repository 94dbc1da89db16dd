// dlock itself, without a thread for each worker: handlers that take and give back in turn.
#include <dlock/dlock.hpp>
#include <iostream>
#include <latch>

#include "workers/subjects.hpp"

namespace dlock::bench {
namespace {

class Handlers : public Run {
 public:
  Handlers(const Server& server, const Start& start) : start_(start), client_(server.url) {
    const DistributedLock warm{client_, start.warm_name(0), {.ttl = start.ttl}};
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(static_cast<std::size_t>(start_.workers));
    std::latch done{start_.workers};
    std::vector<std::unique_ptr<Worker>> workers;
    for (int number = 0; number < start_.workers; ++number) {
      auto& samples = result.samples[static_cast<std::size_t>(number)];
      workers.emplace_back(new Worker{start_, window, number, samples, done, result.errors,
                                      Mutex{client_, start_.name_of(number), {.ttl = start_.ttl}}});
    }
    sleep_until(window.begin);
    for (auto& worker : workers) worker->next();
    done.wait();
    return result;
  }

 private:
  /// All of them run on the one thread of the client's handlers.
  struct Worker {
    const Start& start;
    const Window& window;
    int number;
    std::vector<Sample>& samples;
    std::latch& done;
    std::int64_t& errors;
    Mutex mutex;
    Sample sample{};

    void next() {
      const auto count = static_cast<std::int64_t>(samples.size());
      if (now_ns() >= window.end || (start.count != 0 && count >= start.count)) {
        done.count_down();
        return;
      }
      sample = {number, now_ns()};
      mutex.async_acquire([this](AcquireResult result) {
        if (!result.lease) {
          std::cerr << result.what << '\n';
          ++errors;
          done.count_down();
          return;
        }
        sample[2] = sample[3] = now_ns();
        async_release(std::move(*result.lease), [this](std::error_code) {
          sample[4] = now_ns();
          samples.push_back(sample);
          next();
        });
      });
    }
  };

  Start start_;
  Client client_;
};

}  // namespace

std::unique_ptr<Run> make_dlock_async(const Server& server, const Start& start) {
  return std::make_unique<Handlers>(server, start);
}

}  // namespace dlock::bench
