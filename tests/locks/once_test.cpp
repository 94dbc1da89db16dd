// Once in a period, by the public API.
#include "dlock/once.hpp"

#include <stdexcept>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class Once : public ClientTest {
 protected:
  /// The time to live of the lock key in ms.
  [[nodiscard]] int left(std::string_view name) const {
    return std::stoi(server.command({"PTTL", name}));
  }
  void end_period(std::string_view name) const { server.command({"DEL", name}); }
};

TEST_F(Once, TheSecondToComeInAPeriodDoesNotRun) {
  Client first{server.url()};
  Client second{server.url()};
  int runs = 0;
  const auto work = [&] { ++runs; };
  EXPECT_TRUE(run_once(first, "job", {.at_least = 1min, .at_most = 1h}, work));
  EXPECT_FALSE(run_once(second, "job", {.at_least = 1min, .at_most = 1h}, work));
  EXPECT_FALSE(run_once(first, "job", {.at_least = 1min, .at_most = 1h}, work));
  EXPECT_EQ(runs, 1);
  EXPECT_GT(left("job"), 50'000);
  EXPECT_LE(left("job"), 60'000);
  end_period("job");
}

TEST_F(Once, AfterThePeriodItRunsAgain) {
  Client client{server.url()};
  int runs = 0;
  const auto begin = SteadyClock::now();
  while (runs < 2) {
    run_once(client, "job", {.at_least = 200ms, .at_most = 1h}, [&] { ++runs; });
  }
  EXPECT_GE(SteadyClock::now() - begin, 200ms);
  EXPECT_TRUE(eventually([&] { return is_free("job"); }));
}

TEST_F(Once, WhileItRunsNobodyElseDoes) {
  Client first{server.url()};
  Client second{server.url()};
  EXPECT_TRUE(run_once(first, "job", {.at_least = 1ms, .at_most = 1h}, [&](const Lease& lease) {
    EXPECT_TRUE(holds("job", lease));
    EXPECT_GT(left("job"), 3'000'000);
    EXPECT_FALSE(run_once(second, "job", {}, [] { ADD_FAILURE() << "ran twice"; }));
    EXPECT_FALSE(run_once(first, "job", {}, [] { ADD_FAILURE() << "ran twice"; }));
    std::this_thread::sleep_for(2ms);  // longer than at_least
  }));
  EXPECT_TRUE(is_free("job"));
}

TEST_F(Once, WorkThatThrowsCountsAsDone) {
  Client client{server.url()};
  const auto fails = [] { throw std::runtime_error{"no paper"}; };
  EXPECT_THROW(run_once(client, "job", {}, fails), std::runtime_error);
  EXPECT_FALSE(run_once(client, "job", {}, [] {}));
  EXPECT_LE(left("job"), 60'000);
  end_period("job");
}

TEST_F(Once, WorkThatTakesTooLongIsToldAndSoIsTheCaller) {
  Client client{server.url()};
  const auto work = [](const Lease& lease) {
    EXPECT_TRUE(eventually([&] { return lease.lost().stop_requested(); }));
  };
  EXPECT_EQ(reason_of([&] { run_once(client, "job", {.at_least = 1ms, .at_most = 300ms}, work); }),
            errc::lost);
}

TEST_F(Once, AMutexOfThatNameIsFreeWhenThePeriodIsOver) {
  Client client{server.url()};
  Client other{server.url()};
  auto lease = begin_once(client, "job", {.at_least = 500ms, .at_most = 1h});
  const auto begin = SteadyClock::now();
  ASSERT_TRUE(lease);
  SteadyClock::duration took{};
  std::jthread waiter{[&] {
    Mutex{other, "job"}.acquire().release();
    took = SteadyClock::now() - begin;
  }};
  ASSERT_TRUE(come_to_wait("job", 1));
  lease->release();
  EXPECT_FALSE(is_free("job"));
  waiter.join();
  EXPECT_GE(took, 500ms);
  EXPECT_LT(took, 30s) << "not after the longest time";
}

TEST_F(Once, AWaiterOfTheSameClientGetsItThenToo) {
  Client client{server.url()};
  auto lease = begin_once(client, "job", {.at_least = 300ms, .at_most = 1h});
  ASSERT_TRUE(lease);
  const auto begin = SteadyClock::now();
  std::jthread waiter{[&] {
    Mutex{client, "job"}.acquire().release();
    EXPECT_GE(SteadyClock::now() - begin, 300ms);
  }};
  std::this_thread::sleep_for(20ms);  // so that it mostly waits by now
  lease.reset();
}

TEST_F(Once, AReleaseThatTheServerDoesNotAnswerIsRepeatedAndKeeps) {
  Client client{server.url(), {.request_timeout = 200ms}};
  auto lease = begin_once(client, "job", {.at_least = 1min, .at_most = 1h});
  ASSERT_TRUE(lease);
  server.stop();
  EXPECT_EQ(reason_of([&] { lease->release(); }), errc::unreachable);
  server.cont();
  EXPECT_TRUE(eventually([&] { return left("job") <= 60'000; }));
  EXPECT_GT(left("job"), 0);
  end_period("job");
}

TEST_F(Once, OptionsThatMakeNoSenseAreRefused) {
  Client client{server.url()};
  for (const OnceOptions wrong :
       {OnceOptions{.at_least = 0ms}, OnceOptions{.at_least = -1ms},
        OnceOptions{.at_least = 2h, .at_most = 1h}, OnceOptions{.at_least = 1ms, .at_most = 5ms}}) {
    EXPECT_EQ(reason_of([&] { run_once(client, "job", wrong, [] {}); }), errc::usage);
  }
}

}  // namespace
}  // namespace dlock::test
