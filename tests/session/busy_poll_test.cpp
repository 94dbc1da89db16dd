// ClientOptions::busy_poll: a lone thread finds its replies without sleeping.
#include <sys/resource.h>

#include <string>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

using BusyPolling = ClientTest;

void pairs(Client& client) {
  Mutex mutex{client, "m"};
  for (int i = 0; i < 50; ++i) mutex.acquire().release();
}

/// How often the threads of this process went to sleep.
long sleeps() {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

/// How often a thread sleeps whose client looks for replies, for each time that it does where the
/// client does not look. Both work by turns.
double share_of_sleeps(const std::string& url) {
  Client looking{url, {.busy_poll = 1ms}};
  Client sleeping{url, {.busy_poll = 0us}};
  long with = 0;
  long without = 0;
  for (int i = 0; i < 12; ++i) {
    const auto before = sleeps();
    pairs(looking);
    const auto between = sleeps();
    pairs(sleeping);
    if (i > 0) {  // the first time connects
      with += between - before;
      without += sleeps() - between;
    }
  }
  return static_cast<double>(with) / static_cast<double>(without);
}

TEST_F(BusyPolling, ALoneThreadHardlySleeps) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "the server needs the only core";
  // On a busy machine the server may share our core for a while.
  double share = 1;
  EXPECT_TRUE(eventually([&] {
    share = share_of_sleeps(server.url());
    return share < 0.5;
  })) << share;
}

}  // namespace

}  // namespace dlock::test
