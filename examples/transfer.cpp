// Transfers between accounts, in all directions at once: each locks both accounts, and none waits
// for another in a ring.
#include <dlock/dlock.hpp>

#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

int main() {
  dlock::Client client;  // a private server on this machine
  std::map<std::string, int> accounts{{"alice", 100}, {"bob", 100}, {"carol", 100}};
  const auto transfer = [&](const std::string& from, const std::string& to, int amount) {
    const dlock::Leases both = dlock::acquire_all(client, {from, to});
    both.ensure_held();
    accounts.at(from) -= amount;
    accounts.at(to) += amount;
  };

  std::vector<std::jthread> clerks;
  for (int i = 0; i < 10; ++i) {
    clerks.emplace_back(transfer, "alice", "bob", 3);
    clerks.emplace_back(transfer, "bob", "carol", 2);
    clerks.emplace_back(transfer, "carol", "alice", 1);
  }
  clerks.clear();
  for (const auto& [name, balance] : accounts) {
    std::cout << name << ": " << balance << '\n';
  }
}
