// dlock/testing.hpp for the tests of programs: a server, and the loss of a lease.
#include "dlock/testing.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

bool answers(const std::string& url) {
  try {
    Client client{url, {.connect_timeout = 200ms, .request_timeout = 200ms}};
    return Mutex{client, "m"}.try_acquire().has_value();
  } catch (const Error&) {
    return false;
  }
}

std::string directory_of(const std::string& url) {
  const auto path = url.substr(url.find("//") + 2);
  return path.substr(0, path.rfind('/'));
}

TEST(TestServer, IsEmptyAndNobodyElses) {
  const testkit::Server one;
  const testkit::Server two;
  Client first{one.url()};
  Client second{two.url()};
  const DistributedLock lock{first, "m"};
  EXPECT_TRUE(Mutex(second, "m").try_acquire());
  EXPECT_FALSE(Mutex(first, "m").try_acquire());
}

TEST(TestServer, EndsWithItsObject) {
  std::string url;
  {
    const testkit::Server server;
    url = server.url();
    EXPECT_TRUE(answers(url));
  }
  EXPECT_FALSE(answers(url));
  EXPECT_FALSE(std::filesystem::exists(directory_of(url)));
}

TEST(TestServer, EndsWithAProcessThatWasKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const auto child = ::fork();
  if (child == 0) {
    const testkit::Server server;
    if (::write(ends[1], server.url().data(), server.url().size()) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  char text[256];
  const auto size = ::read(ends[0], text, sizeof text);
  ASSERT_GT(size, 0);
  const std::string url(text, static_cast<std::size_t>(size));
  EXPECT_TRUE(answers(url));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !answers(url); }));
  std::filesystem::remove_all(directory_of(url));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(TestServer, HangsWhileItIsPaused) {
  testkit::Server server;
  server.pause();
  EXPECT_FALSE(answers(server.url()));
  server.resume();
  EXPECT_TRUE(eventually([&] { return answers(server.url()); }));
}

class Losing : public ::testing::Test {
 protected:
  static void lose(Client& client, const Lease& lease) {
    testkit::lose(client, lease);
    EXPECT_TRUE(lease.lost().stop_requested());
    EXPECT_FALSE(lease.held());
    EXPECT_THROW(lease.ensure_held(), LockLost);
  }
  testkit::Server server;
  Client client{server.url()};
  Client other{server.url()};
};

TEST_F(Losing, TakesALeaseOfEachKind) {
  lose(other, DistributedLock{client, "scope"});
  lose(other, Mutex{client, "mutex"}.acquire());
  lose(other, SharedMutex{client, "document"}.reader().acquire());
  lose(other, SharedMutex{client, "document"}.acquire());
  lose(other, Semaphore{client, "gpu", 4}.permits(3).acquire());
  lose(client, Mutex{client, "by its own client"}.acquire());
}

TEST_F(Losing, LetsTheNextOneIn) {
  const DistributedLock first{client, "m"};
  lose(other, first);
  EXPECT_TRUE(Mutex(other, "m").try_acquire());
}

TEST_F(Losing, RefusesALeaseThatIsNotHeld) {
  Lease lease = Mutex{client, "m"}.acquire();
  lease.release();
  EXPECT_THROW(testkit::lose(other, lease), UsageError);
  EXPECT_THROW(testkit::lose(other, Lease{}), UsageError);
}

}  // namespace

}  // namespace dlock::test
