// register_user: several of these at once, here or on other machines, never mix their letters.
//
//   register_user [PAUSE_MS [TTL_MS]]
#include <unistd.h>

#include <chrono>
#include <dlock/dlock.hpp>
#include <iostream>
#include <string>
#include <thread>

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int main(int count, char** arguments) {
  const milliseconds pause{count > 1 ? std::stoi(arguments[1]) : 20};
  const milliseconds ttl{count > 2 ? std::stoi(arguments[2]) : 30'000};
  try {
    dlock::Client redis;  // $DLOCK_URL, or a private server on this machine
    const auto start = steady_clock::now();
    dlock::DistributedLock lock{redis, "register_user", {.ttl = ttl}};  // waits until it is ours
    const auto waited = std::chrono::floor<milliseconds>(steady_clock::now() - start);

    for (const char letter : {'a', 'b', 'c', 'd'}) {
      std::cout << letter << std::flush;
      std::this_thread::sleep_for(pause);
    }
    lock.ensure_held();  // throws if it was lost meanwhile
    const auto report = "   C++    process " + std::to_string(::getpid()) + "  waited " +
                        std::to_string(waited.count()) + " ms  fence " +
                        std::to_string(lock.fence()) + "\n";
    std::cout << report << std::flush;
  } catch (const dlock::Error& error) {  // no server, or the lock was lost
    std::cerr << "register_user: " << error.what() << '\n';
    return 1;
  }  // released, and the next in line woken
}
