// Workers that start together and go from phase to phase together: Latch and Barrier. They are
// threads here, so that one program shows it; each has its own client, as processes would have.
#include <dlock/dlock.hpp>

#include <atomic>
#include <chrono>
#include <iostream>
#include <list>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

constexpr int workers = 3;
std::atomic<int> done = 0;

void work(const std::string& run) {
  dlock::Client client;  // a private server on this machine
  dlock::Latch ready{client, "ready " + run, workers};
  dlock::Barrier phase{client, "phase " + run, workers};
  try {
    ready.count_down();
    if (!ready.wait_for(10s)) {  // somebody may have died before it was ready
      return;
    }
    for (int i = 0; i < 2; ++i) {
      ++done;
      phase.arrive_and_wait();  // nobody begins the next before all have done this one
    }
  } catch (const dlock::Broken& broken) {
    std::cout << broken.what() << '\n';
  }
}

}  // namespace

int main() {
  // Names of latches are used once.
  const auto run = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  {
    std::list<std::jthread> threads;
    for (int i = 0; i < workers; ++i) {
      threads.emplace_back(work, run);
    }
  }
  std::cout << "done: " << done << '\n';
}
