// The completion-token functions for Asio.
#include "dlock/asio.hpp"

#include <future>

#include "client/fixture.hpp"

namespace dlock::test {
namespace {

namespace net = ::asio;

class Asio : public ClientTest {
 protected:
  net::io_context loop;
};

TEST_F(Asio, AHandlerRunsOnTheLoopWhichStaysBusyMeanwhile) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  bool released = false;
  dlock::asio::async_acquire(
      mutex, net::bind_executor(loop, [&](std::exception_ptr error, Lease lease) {
        EXPECT_FALSE(error);
        EXPECT_TRUE(holds("m", lease));
        EXPECT_TRUE(loop.get_executor().running_in_this_thread());
        dlock::asio::async_release(
            std::move(lease),
            net::bind_executor(loop, [&](std::exception_ptr late) { released = !late; }));
      }));
  loop.run();
  EXPECT_TRUE(released);
  EXPECT_TRUE(is_free("m"));
}

TEST_F(Asio, ACoroutineOfAsioAwaitsTheLock) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m"};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  auto work = [&]() -> net::awaitable<std::int64_t> {
    auto none = co_await dlock::asio::async_try_acquire_for(mutex, 20ms, net::use_awaitable);
    EXPECT_FALSE(none);
    held.reset();
    auto lease = co_await dlock::asio::async_acquire(mutex, net::use_awaitable);
    const auto fence = lease.fence();
    co_await dlock::asio::async_release(std::move(lease), net::use_awaitable);
    co_return fence;
  };
  auto fence = net::co_spawn(loop, work, net::use_future);
  loop.run();
  EXPECT_GT(fence.get(), 0);
}

TEST_F(Asio, ErrorsArriveAsTheLibrarysExceptions) {
  Client client{"redis://127.0.0.1:1"};
  Mutex mutex{client, "m"};
  auto lease =
      net::co_spawn(loop, dlock::asio::async_acquire(mutex, net::use_awaitable), net::use_future);
  loop.run();
  EXPECT_THROW((void)lease.get(), Unreachable);
}

TEST_F(Asio, ACancellationSlotEndsTheWaitAndLeavesNothingBehind) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Mutex mutex{client, "m"};
  net::cancellation_signal signal;
  errc reason{};
  dlock::asio::async_acquire(
      mutex, net::bind_executor(
                 loop, net::bind_cancellation_slot(
                           signal.slot(), [&](const std::exception_ptr& error, Lease lease) {
                             EXPECT_FALSE(lease);
                             reason = reason_of([&] { std::rethrow_exception(error); });
                           })));
  EXPECT_TRUE(come_to_wait("m", 1));
  net::post(loop, [&] { signal.emit(net::cancellation_type::terminal); });
  loop.run();
  EXPECT_EQ(reason, errc::cancelled);
  EXPECT_TRUE(come_to_wait("m", 0));
}

TEST_F(Asio, ReadersWritersAndPermitsAreAwaitedToo) {
  Client client{server.url()};
  SharedMutex pages{client, "pages"};
  Semaphore gpu{client, "gpu", {.permits = 4}};
  auto work = [&]() -> net::awaitable<bool> {
    auto reader = co_await dlock::asio::async_acquire_shared(pages, net::use_awaitable);
    auto another =
        co_await dlock::asio::async_try_acquire_shared_for(pages, 1s, net::use_awaitable);
    auto writer = co_await dlock::asio::async_try_acquire_for(pages, 0ms, net::use_awaitable);
    auto permits = co_await dlock::asio::async_acquire(gpu, 3, net::use_awaitable);
    auto more = co_await dlock::asio::async_try_acquire_for(gpu, 0ms, 2, net::use_awaitable);
    co_await dlock::asio::async_release(std::move(reader), net::use_awaitable);
    co_await dlock::asio::async_release(std::move(*another), net::use_awaitable);
    auto alone = co_await dlock::asio::async_acquire(pages, net::use_awaitable);
    co_return !writer && !more && permits.held() && alone.held();
  };
  auto as_expected = net::co_spawn(loop, work, net::use_future);
  loop.run();
  EXPECT_TRUE(as_expected.get());
}

TEST_F(Asio, ThousandsOfCoroutinesCountInOneThread) {
  Client one{server.url()};
  Client two{server.url()};
  Mutex here{one, "m"};
  Mutex there{two, "m"};
  int unguarded = 0;
  int inside = 0;
  auto count = [&](Mutex& mutex) -> net::awaitable<void> {
    auto lease = co_await dlock::asio::async_acquire(mutex, net::use_awaitable);
    EXPECT_EQ(++inside, 1);
    co_await net::post(loop, net::use_awaitable);
    ++unguarded;
    --inside;
    co_await dlock::asio::async_release(std::move(lease), net::use_awaitable);
  };
  for (int i = 0; i < 1'000; ++i) {
    net::co_spawn(loop, count(here), net::detached);
    net::co_spawn(loop, count(there), net::detached);
  }
  loop.run();
  EXPECT_EQ(unguarded, 2'000);
}

}  // namespace
}  // namespace dlock::test
