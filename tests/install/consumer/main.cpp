// A user's program that needs all of the library to link, and no server to run.
#include <dlock/dlock.hpp>

#include <iostream>

int main() {
  try {
    dlock::Client client{"redis+unix:///nonexistent/redis.sock"};
    dlock::DistributedLock lock{client, "consumer", {.ttl = std::chrono::seconds{30}}};
  } catch (const dlock::Error& error) {
    std::cout << error.what() << '\n';
    return error.code() == dlock::errc::unreachable ? 0 : 1;
  }
  return 2;
}
