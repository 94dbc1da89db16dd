// A producer and two workers with a queue between them: ConditionVariable. They are threads here,
// so that one program shows it; each has its own client, as processes would have.
#include <dlock/dlock.hpp>

#include <deque>
#include <functional>
#include <iostream>
#include <mutex>
#include <thread>

namespace {

constexpr int end = 0;

std::deque<int> jobs;  // guarded by the lock "jobs"; for processes it would be in a file or a table
int sum = 0;           // likewise

void work(dlock::Client& client) {
  dlock::Mutex mutex{client, "jobs"};
  dlock::ConditionVariable filled{client, "jobs filled"};
  while (true) {
    std::unique_lock lock{mutex};
    filled.wait(lock, [] { return !jobs.empty(); });  // gives the lock away while it waits
    if (jobs.front() == end) {
      return;
    }
    sum += jobs.front();
    jobs.pop_front();
  }
}

}  // namespace

int main() {
  dlock::Client client;  // a private server on this machine
  {
    const std::jthread first{work, std::ref(client)};
    const std::jthread second{work, std::ref(client)};
    dlock::Mutex mutex{client, "jobs"};
    dlock::ConditionVariable filled{client, "jobs filled"};
    for (int job = 1; job <= 100; ++job) {
      {
        const std::unique_lock lock{mutex};
        jobs.push_back(job);
      }
      filled.notify_one();
    }
    {
      const std::unique_lock lock{mutex};
      jobs.push_back(end);
    }
    filled.notify_all();
  }
  std::cout << "sum of all jobs: " << sum << '\n';
}
