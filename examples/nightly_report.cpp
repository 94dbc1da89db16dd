// A report that several machines start at midnight, by clocks that differ: one of them writes it.
#include <dlock/dlock.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

bool write_report(dlock::Client& client, const std::string& day) {
  // 300 ms for clocks that are milliseconds apart; where it is seconds, a minute.
  return dlock::run_once(client, "report-" + day, {.at_least = 300ms, .at_most = 1h},
                         [](const dlock::Lease& lease) {
                           lease.ensure_held();  // before each step, where the work is long
                           std::cout << "writing the report\n";
                         });
}

}  // namespace

int main() {
  dlock::Client client;  // a private server on this machine
  std::cout << std::boolalpha;
  bool ran = write_report(client, "monday");
  std::cout << "first machine ran it: " << ran << '\n';
  std::this_thread::sleep_for(10ms);  // its clock is behind
  ran = write_report(client, "monday");
  std::cout << "second machine ran it: " << ran << '\n';
  std::this_thread::sleep_for(400ms);  // the period is over
  ran = write_report(client, "monday");
  std::cout << "next time: " << ran << '\n';
}
