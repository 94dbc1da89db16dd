// A worker that many hosts run and one of them does: the elected one. When it dies, the next goes
// on.
//
//   elected_worker HOST [TIMES]
#include <chrono>
#include <cstdint>
#include <dlock/dlock.hpp>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

void work(const std::string& host, std::int64_t term) {
  // What is written to should have the term, and refuse a smaller one: this is the fence.
  std::cout << host << " works in term " << term << std::endl;
  std::this_thread::sleep_for(10ms);
}

/// Works until it has led for so many `times`, or has lost the leadership. Returns how often it
/// did.
int lead(dlock::Election& election, const std::string& host, int times) {
  const dlock::Leadership leadership = election.campaign(host);  // waits until it leads
  const std::stop_token lost = leadership.lost();  // requested before another can lead
  int done = 0;
  while (done < times && !lost.stop_requested()) {
    work(host, leadership.term());
    ++done;
  }
  return done;
}  // it resigns, and the next leads at once

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: elected_worker HOST [TIMES]\n";
    return 64;
  }
  const std::string host = arguments[1];
  try {
    dlock::Client client;  // $DLOCK_URL, or a private server on this machine
    // The ttl is how long nobody works after the leader's host has died.
    dlock::Election election{client, "worker", {.ttl = 1s}};
    int left = count > 2 ? std::stoi(arguments[2]) : 100;
    while (left > 0) {
      left -= lead(election, host, left);  // less than that if it was lost: stands in line again
    }
  } catch (const dlock::Error& error) {
    std::cerr << "elected_worker: " << error.what() << '\n';
    return 1;
  }
}
