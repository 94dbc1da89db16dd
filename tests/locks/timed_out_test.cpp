// TimedOut: the error of a wait that ran out says who holds the lock, to those who ask.
#include <coroutine>
#include <exception>
#include <future>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class TimedOutTest : public ClientTest {
 protected:
  template <class Body>
  static TimedOut thrown_by(Body body) {
    try {
      body();
    } catch (const TimedOut& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return TimedOut{errc::timed_out, ""};
  }
  static TimedOut error_of(Client& client, milliseconds wait) {
    return thrown_by([&] { Mutex{client, "a", {.wait = wait}}.lock(); });
  }
};

/// Starts at once; nobody waits for it.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached wait_in_vain(Mutex& mutex, std::promise<TimedOut>& error) {
  try {
    static_cast<void>(co_await mutex.async_acquire());
  } catch (const TimedOut& thrown) {
    error.set_value(thrown);
  }
}

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

TEST_F(TimedOutTest, AHandlerAndACoroutineGetTheSame) {
  Client holder{server.url(), {.label = "nightly"}};
  Client client{server.url()};
  const DistributedLock held{holder, "a"};
  Mutex mutex{client, "a", {.wait = 200ms}};
  const auto is_complete = [](const TimedOut& error) {
    EXPECT_GT(error.place(), 0);  // the wait before may still be in the queue
    EXPECT_EQ(error.name(), "a");
    EXPECT_THAT(error.what(), HasSubstr("could not acquire the lock \"a\" within 200 ms"));
    EXPECT_EQ(error.inspect().holder.label, "nightly");
    EXPECT_THAT(error.describe(), HasSubstr("\"nightly\" holds since "));
  };
  std::promise<AcquireResult> result;
  mutex.async_acquire([&](AcquireResult come) { result.set_value(std::move(come)); });
  is_complete(thrown_by([&] { static_cast<void>(result.get_future().get().get()); }));
  std::promise<TimedOut> error;
  wait_in_vain(mutex, error);
  is_complete(error.get_future().get());
}

TEST_F(TimedOutTest, OfSeveralLocksItKnowsTheOneThatWasMissing) {
  Client holder{server.url(), {.label = "nightly"}};
  Client client{server.url()};
  const DistributedLock held{holder, "b"};
  const auto waiting =
      thrown_by([&] { static_cast<void>(acquire_all(client, {"c", "b", "a"}, {.wait = 200ms})); });
  EXPECT_STREQ(waiting.what(),
               "could not acquire all 3 locks within 200 ms: it waited for \"b\", number 1 in its "
               "queue");
  EXPECT_EQ(waiting.place(), 1);
  EXPECT_EQ(waiting.name(), "b");
  EXPECT_EQ(waiting.inspect().holder.label, "nightly");

  // One call tried all of them, and the server says only that it was in vain.
  const std::vector<LeaseSource> sources{Mutex{client, "a"}, Mutex{client, "b"}};
  const auto tried = thrown_by([&] { static_cast<void>(acquire_all_within(sources, 0ms)); });
  EXPECT_STREQ(tried.what(), "not all 2 locks are free");
  EXPECT_EQ(tried.place(), 0);
  EXPECT_EQ(tried.name(), "");
  EXPECT_EQ(tried.inspect().name, "b");
  EXPECT_THAT(tried.describe(), HasSubstr("\"nightly\" holds since "));

  const SharedMutex other{client, "c"};
  const auto mixed = thrown_by(
      [&] { static_cast<void>(acquire_all_within({other.reader(), Mutex{client, "b"}}, 0s)); });
  EXPECT_STREQ(mixed.what(), "not all 2 locks are free: \"b\" is not");
  EXPECT_EQ(mixed.name(), "b");
}

TEST_F(TimedOutTest, AnUpgradeNamesTheReadersThatAreLeft) {
  Client holder{server.url(), {.label = "nightly"}};
  Client client{server.url()};
  SharedMutex mutex{client, "a", {.wait = 100ms}};
  const auto reader = SharedMutex{holder, "a"}.reader().acquire();
  auto lease = mutex.acquire_upgradeable();
  for (const auto& error :
       {thrown_by([&] { lease.upgrade(); }), thrown_by([&] { lease.upgrade_within(100ms); })}) {
    EXPECT_STREQ(error.what(),
                 "could not upgrade the lock \"a\" within 100 ms; 'dlock info' shows its readers");
    EXPECT_EQ(error.place(), 1);
    EXPECT_EQ(error.name(), "a");
    EXPECT_THAT(error.describe(), HasSubstr("\"nightly\" holds as reader since "));
  }
  EXPECT_THAT(thrown_by([&] { lease.upgrade_within(0s); }).what(), HasSubstr("other readers"));
  const auto second =
      thrown_by([&] { static_cast<void>(mutex.acquire_upgradeable_within(200ms)); });
  EXPECT_THAT(second.what(), HasSubstr("within 200 ms"));
  EXPECT_TRUE(second.inspect().held);
}

TEST_F(TimedOutTest, ACampaignNamesTheLeader) {
  Client holder{server.url(), {.label = "nightly"}};
  Client client{server.url()};
  const auto leadership = Election{holder, "web"}.campaign("me");
  Election limited{client, "web", {.wait = 200ms}};
  Election election{client, "web"};
  for (const auto& error :
       {thrown_by([&] { static_cast<void>(limited.campaign("us")); }),
        thrown_by([&] { static_cast<void>(election.campaign_within(200ms, "us")); })}) {
    EXPECT_GT(error.place(), 0);  // the campaign before may still be in the queue
    EXPECT_EQ(error.name(), "web");
    EXPECT_EQ(error.inspect().holder.label, "nightly");
  }
}

TEST_F(TimedOutTest, ItsTextCannotInjectAnything) {
  Client holder{server.url()};
  Client client{server.url()};
  const std::string name = "a\x1b[31m\n";
  const DistributedLock held{holder, name};
  Mutex mutex{client, name};
  std::promise<AcquireResult> result;
  mutex.async_try_acquire_for(1ms, [&](AcquireResult come) { result.set_value(std::move(come)); });
  const std::vector<std::string> texts{
      result.get_future().get().what,
      thrown_by([&] { static_cast<void>(mutex.acquire_within(1ms)); }).what(),
      thrown_by([&] {
        static_cast<void>(acquire_all(client, {name, "b"}, {.wait = 1ms}));
      }).what()};
  for (const auto& text : texts) {
    EXPECT_THAT(text, HasSubstr("\"a\\x1b[31m\\n\""));
  }
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
