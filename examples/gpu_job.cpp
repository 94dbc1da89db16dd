// A job for a GPU that has room for four: start as many as you like, at most four run at a time.
//
//   gpu_job NAME [PLACES]
#include <chrono>
#include <dlock/dlock.hpp>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: gpu_job NAME [PLACES]\n";
    return 64;
  }
  const std::string name = arguments[1];
  const int places = count > 2 ? std::stoi(arguments[2]) : 1;
  try {
    dlock::Client client;  // $DLOCK_URL, or a private server on this machine
    dlock::Semaphore gpu{client, "gpu 0", 4, {.ttl = 30s}};
    // In order of arrival: those who want little do not overtake one who wants much.
    const dlock::Lease lease = gpu.permits(places).acquire();
    std::cout << name << ": has " << places << " of 4 places" << std::endl;
    std::this_thread::sleep_for(20ms);  // the job
    lease.ensure_held();                // throws if its places are another's by now
    std::cout << name << ": done" << std::endl;
  } catch (const dlock::Error& error) {
    std::cerr << "gpu_job: " << error.what() << '\n';
    return 1;
  }  // its places go to who waits; if it dies, after the ttl
}
