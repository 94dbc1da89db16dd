// Readers and a writer of one document: SharedMutex with the standard's locks, and an upgrade.
#include <dlock/dlock.hpp>

#include <chrono>
#include <iostream>
#include <mutex>
#include <shared_mutex>

using namespace std::chrono_literals;

int main() {
  dlock::Client client;  // a private server on this machine
  dlock::SharedMutex mutex{client, "document", {.ttl = 30s}};
  int version = 1;

  {
    const std::unique_lock writer{mutex};  // alone
    ++version;
  }
  {
    const std::shared_lock reader{mutex};  // beside other readers
    std::cout << "version " << version << '\n';
  }

  // Looks first, and writes only if it must; nobody else writes between the two.
  dlock::UpgradeableLease lease = mutex.acquire_upgradeable();
  if (version < 3) {
    lease.upgrade();  // waits for the readers to leave
    ++version;
  }
  const dlock::Lease reader = mutex.downgrade(std::move(lease));
  std::cout << "version " << version << ", still reading: " << std::boolalpha << reader.held()
            << '\n';
}
