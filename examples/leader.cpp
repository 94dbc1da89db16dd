// Two candidates, one leader, and somebody who only wants to know whom to ask: an Election.
#include <dlock/dlock.hpp>

#include <chrono>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int main() {
  dlock::Client client;  // a private server on this machine
  dlock::Election election{client, "scheduler", {.ttl = 10s}};
  dlock::LeaderObserver observer = election.observe();
  (void)observer.next();  // what is so now

  dlock::Leadership first = election.campaign("host-1:8080");
  std::jthread other{[&] {
    const dlock::Leadership second = election.campaign("host-2:8080");  // waits for its turn
    // ... leads until `second.lost()` is requested, or it has done enough
  }};

  std::cout << "leader: " << observer.next().leader.value << '\n';
  first.proclaim("host-1:9090");
  std::cout << "leader: " << observer.next().leader.value << '\n';
  const auto term = first.term();
  first.resign();
  other.join();
  std::cout << std::boolalpha << "now vacant: " << !election.leader() << '\n';
  std::cout << "terms grow: " << (election.campaign("host-3:8080").term() > term) << '\n';
}
