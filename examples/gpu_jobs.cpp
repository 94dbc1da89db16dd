// Jobs that share four GPUs: a Semaphore with weights.
#include <dlock/dlock.hpp>

#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
  dlock::Client client;  // a private server on this machine
  dlock::Semaphore gpus{client, "gpu", {.permits = 4, .ttl = 30s}};
  std::atomic<int> busy{0};
  std::atomic<bool> too_many{false};

  std::vector<std::jthread> jobs;
  for (const int needs : {1, 2, 4, 1, 2}) {
    jobs.emplace_back([&, needs] {
      const dlock::Lease lease = gpus.acquire(needs);  // in order of arrival
      busy += needs;
      too_many = too_many || busy > 4;
      std::this_thread::sleep_for(5ms);  // the job
      busy -= needs;
    });
  }
  jobs.clear();
  std::cout << "all jobs done, never more than 4 at a time: " << std::boolalpha << !too_many
            << '\n';

  gpus.set_permits(8);  // four more were bought
  std::cout << "6 at once: " << gpus.try_acquire(6).has_value() << '\n';
}
