// dlock itself: threads that take turns, by one client or by one each, and leases that are held.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <dlock/dlock.hpp>
#include <iostream>

#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class Threads : public Run {
 public:
  Threads(const Server& server, const Start& start, int clients) : start_(start) {
    ClientOptions options;
    if (const char* const busy_poll = std::getenv("BENCH_BUSY_POLL_US")) {
      options.busy_poll = std::chrono::microseconds{std::atoi(busy_poll)};
    }
    for (int i = 0; i < clients; ++i) {
      clients_.push_back(std::make_unique<Client>(server.url, options));
    }
    for (int worker = 0; worker < clients; ++worker) {
      const DistributedLock warm{client_of(worker), start.warm_name(worker), {.ttl = start.ttl}};
    }
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(static_cast<std::size_t>(start_.workers));
    std::atomic<std::int64_t> errors = 0;
    in_threads(start_.workers, [&](int worker) {
      try {
        Mutex mutex{client_of(worker), start_.name_of(worker), {.ttl = start_.ttl}};
        Lease lease;
        take_turns(
            start_, window, worker, result.samples[static_cast<std::size_t>(worker)],
            [&] { lease = mutex.acquire(); }, [&] { lease.release(); });
      } catch (const Error& error) {
        std::cerr << error.what() << '\n';
        ++errors;
      }
    });
    result.errors = errors;
    return result;
  }

 private:
  Client& client_of(int worker) {
    return *clients_[static_cast<std::size_t>(worker) % clients_.size()];
  }

  Start start_;
  std::vector<std::unique_ptr<Client>> clients_;
};

/// `workers` leases of one client, held until the end; a lease that was lost is an error.
class Leases : public Run {
 public:
  Leases(const Server& server, const Start& start) : client_(server.url) {
    leases_.reserve(static_cast<std::size_t>(start.workers));
    for (int i = 0; i < start.workers; ++i) {
      leases_.push_back(
          Mutex{client_, start.name + ':' + std::to_string(i), {.ttl = start.ttl}}.acquire());
    }
  }

  Result go(const Window& window) override {
    sleep_until(window.end);
    Result result;
    for (const auto& lease : leases_) {
      ++result.acquired;
      if (!lease.held()) ++result.errors;
    }
    return result;
  }

 private:
  Client client_;
  std::vector<Lease> leases_;
};

}  // namespace

std::unique_ptr<Run> make_dlock(const Server& server, const Start& start) {
  return std::make_unique<Threads>(server, start, 1);
}

std::unique_ptr<Run> make_dlock_clients(const Server& server, const Start& start) {
  return std::make_unique<Threads>(server, start, start.workers);
}

std::unique_ptr<Run> make_dlock_leases(const Server& server, const Start& start) {
  return std::make_unique<Leases>(server, start);
}

}  // namespace dlock::bench
