// TimedOut: the error of a wait that ran out says who holds the lock, to those who ask.
#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class TimedOutTest : public ClientTest {
 protected:
  static TimedOut error_of(Client& client, milliseconds wait) {
    try {
      Mutex{client, "a", {.wait = wait}}.lock();
    } catch (const TimedOut& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return TimedOut{errc::timed_out, ""};
  }
};

TEST_F(TimedOutTest, ItNamesTheHolderThePlaceAndHowManyWait) {
  Client holder{server.url(), {.label = "nightly"}};
  Client other{server.url()};
  Client client{server.url()};
  const DistributedLock held{holder, "a"};
  std::jthread waits{[&](const std::stop_token& stop) {
    try {
      Mutex{other, "a"}.lock(stop);
    } catch (const Cancelled&) {
      return;
    }
  }};
  ASSERT_TRUE(come_to_wait("a", 1));
  const auto error = error_of(client, 100ms);
  EXPECT_STREQ(
      error.what(),
      "could not acquire the lock \"a\" within 100 ms, number 2 in its queue; 'dlock info' "
      "shows its holder");
  EXPECT_EQ(error.place(), 2);
  ASSERT_TRUE(come_to_wait("a", 1)) << "it leaves the queue";
  const auto found = error.inspect();
  EXPECT_EQ(found.holder.label, "nightly");
  EXPECT_EQ(found.holder.pid, ::getpid());
  EXPECT_EQ(found.waiters.size(), 1U);
  EXPECT_THAT(error.describe(), StartsWith(error.what()));
  EXPECT_THAT(error.describe(), HasSubstr("\"nightly\" holds since "));
  EXPECT_THAT(error.describe(), HasSubstr("; 1 waiting"));
}

TEST_F(TimedOutTest, ItAsksNobodyUnlessItIsAsked) {
  Client holder{server.url()};
  Client client{server.url()};
  const DistributedLock held{holder, "a"};
  const auto connections = [&] { return server.command({"CLIENT", "LIST", "TYPE", "normal"}); };
  static_cast<void>(error_of(client, 200ms));
  ASSERT_TRUE(come_to_wait("a", 0));  // the server has the script by now
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  const auto before = lines(connections());
  const auto commands = client.stats().commands;
  const auto error = error_of(client, 1ms);
  EXPECT_LE(client.stats().commands, commands + 2);  // asks, and leaves the queue
  EXPECT_EQ(lines(connections()), before);
}

TEST_F(TimedOutTest, ItOutlivesItsClientAndServer) {
  Client holder{server.url()};
  std::optional<Client> client{std::in_place, server.url()};
  std::optional<DistributedLock> held{std::in_place, holder, "a"};
  const auto error = error_of(*client, 1ms);
  client.reset();
  EXPECT_EQ(reason_of([&] { static_cast<void>(error.inspect()); }), errc::usage);
  EXPECT_EQ(error.describe(), error.what());
  const TimedOut copy{errc::timed_out, "by hand"};
  EXPECT_EQ(copy.describe(), "by hand");
  EXPECT_EQ(copy.place(), 0);
}

TEST_F(TimedOutTest, ACallMaySayItsLimit) {
  Client holder{server.url()};
  Client client{server.url()};
  const Mutex mutex{client, "a"};
  auto lease = Mutex{holder, "a"}.acquire();
  try {
    static_cast<void>(mutex.acquire_within(200ms));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const TimedOut& error) {
    EXPECT_EQ(error.place(), 1);
    EXPECT_THAT(error.what(), HasSubstr("within 200 ms"));
    EXPECT_TRUE(error.inspect().held);
  }
  lease.release();
  EXPECT_TRUE(mutex.acquire_within(1min).held());
}

}  // namespace
}  // namespace dlock::test
