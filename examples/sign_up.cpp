// Registers a user once, however often and on however many machines the button was pressed.
//
//   sign_up USER [FILE]
#include <chrono>
#include <dlock/dlock.hpp>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

/// The users, one a line. A table without a unique column has the same difficulty.
bool is_registered(const std::string& file, const std::string& user) {
  std::ifstream users{file};
  for (std::string line; std::getline(users, line);) {
    if (line == user) return true;
  }
  return false;
}

void register_user(const std::string& file, const std::string& user, const dlock::Lease& lease) {
  std::this_thread::sleep_for(20ms);  // hashes a password, asks a mail server ...
  lease.ensure_held();                // throws if it was lost meanwhile
  std::ofstream{file, std::ios::app} << user << '\n';
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: sign_up USER [FILE]\n";
    return 64;
  }
  const std::string user = arguments[1];
  const std::string file = count > 2 ? arguments[2] : "users";
  try {
    dlock::Client client;  // $DLOCK_URL, or a private server on this machine
    // A lock for each user: others register meanwhile.
    const dlock::DistributedLock lock{client, "register_user:" + user, {.ttl = 30s}};
    if (is_registered(file, user)) {  // asked under the lock: an older answer may be wrong by now
      std::cout << user << " is registered already" << std::endl;
      return 0;
    }
    register_user(file, user, lock);
    std::cout << user << " is registered now" << std::endl;
  } catch (const dlock::Error& error) {
    std::cerr << "sign_up: " << error.what() << '\n';
    return 1;
  }
}
