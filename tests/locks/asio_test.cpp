// The completion-token functions for Asio.
#include "dlock/asio.hpp"

#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "support/client_fixture.hpp"
#include "support/forked.hpp"

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
  Client client{"redis://127.0.0.1:1", {.patience = 50ms}};
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
  Semaphore gpu{client, "gpu", 4};
  auto work = [&]() -> net::awaitable<bool> {
    auto reader = co_await dlock::asio::async_acquire(pages.reader(), net::use_awaitable);
    auto another =
        co_await dlock::asio::async_try_acquire_for(pages.reader(), 1s, net::use_awaitable);
    auto writer = co_await dlock::asio::async_try_acquire_for(pages, 0ms, net::use_awaitable);
    auto permits = co_await dlock::asio::async_acquire(gpu.permits(3), net::use_awaitable);
    auto more =
        co_await dlock::asio::async_try_acquire_for(gpu.permits(2), 0ms, net::use_awaitable);
    co_await dlock::asio::async_release(std::move(reader), net::use_awaitable);
    co_await dlock::asio::async_release(std::move(*another), net::use_awaitable);
    auto alone = co_await dlock::asio::async_acquire(pages, net::use_awaitable);
    co_return !writer && !more && permits.held() && alone.held();
  };
  auto as_expected = net::co_spawn(loop, work, net::use_future);
  loop.run();
  EXPECT_TRUE(as_expected.get());
}

TEST_F(Asio, ALossIsAwaitedUntilItComesOrTheWaitIsCancelled) {
  Client client{server.url()};
  auto lease = Mutex{client, "m", {.ttl = 300ms}}.acquire();
  auto lost =
      net::co_spawn(loop, dlock::asio::async_lost(lease, net::use_awaitable), net::use_future);
  net::cancellation_signal signal;
  std::optional<bool> is_cancelled;
  dlock::asio::async_lost(
      lease,
      net::bind_executor(  // not Asio's own threads: no fork would come after them
          loop, net::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& error) {
            is_cancelled = error != nullptr;
            server.command({"DEL", "m"});
          })));
  net::post(loop, [&] { signal.emit(net::cancellation_type::all); });
  loop.run();
  lost.get();
  EXPECT_EQ(is_cancelled, true);
  EXPECT_THROW(lease.release(), LockLost);
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

/// Tells when the handler that has it is gone.
struct Kept {
  std::shared_ptr<int> token = std::make_shared<int>();
  [[nodiscard]] bool is_gone() const { return token.use_count() == 1; }
};

TEST_F(Asio, AContextThatEndsAbandonsItsWaits) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m", {.ttl = 1h}};
  for (const bool runs : {true, false}) {
    std::optional<Lease> held{Mutex{there, "m"}.acquire()};
    const Kept kept;
    {
      net::io_context context;
      dlock::asio::async_acquire(
          mutex, net::bind_executor(context, [token = kept.token](std::exception_ptr, Lease) {
            ADD_FAILURE() << "called";
          }));
      if (runs) context.run_for(20ms);
      EXPECT_TRUE(come_to_wait("m", 1));
    }
    EXPECT_TRUE(kept.is_gone());
    EXPECT_TRUE(come_to_wait("m", 0));
    held.reset();
    EXPECT_TRUE((Mutex{there, "m"}.try_acquire_for(20s)));
  }
}

TEST_F(Asio, ALeaseThatNoContextWaitsForIsGivenBack) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m", {.ttl = 1h}};
  for (int round = 0; round < 50; ++round) {
    net::io_context context;
    dlock::asio::async_acquire(mutex, net::bind_executor(context, [](std::exception_ptr, Lease) {
                                 ADD_FAILURE() << "called";
                               }));
    if (round % 2 == 0) {
      EXPECT_TRUE(eventually([&] { return !is_free("m"); }));
    }
    if (round % 3 == 0) std::this_thread::yield();
    // destroyed while the answer comes, or lies in its queue
  }
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

TEST_F(Asio, TheClientMayEndBeforeTheContext) {
  Client there{server.url()};
  const auto held = Mutex{there, "m"}.acquire();
  const Kept kept;
  errc reason{};
  {
    net::io_context context;
    {
      Client client{server.url()};
      Mutex mutex{client, "m"};
      dlock::asio::async_acquire(
          mutex, net::bind_executor(context, [&](const std::exception_ptr& error, const Lease&) {
            reason = reason_of([&] { std::rethrow_exception(error); });
          }));
      EXPECT_TRUE(come_to_wait("m", 1));
    }
    context.run();
    EXPECT_EQ(reason, errc::cancelled);
    Client client{server.url()};
    Mutex mutex{client, "m"};
    dlock::asio::async_acquire(
        mutex, net::bind_executor(context, [token = kept.token](std::exception_ptr, Lease) {
          ADD_FAILURE() << "called";
        }));
  }
  EXPECT_TRUE(kept.is_gone());
}

TEST_F(Asio, CoroutinesAreDestroyedWithTheirContextAndWhatTheyHold) {
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "second"}.acquire()};
  const Kept kept;
  for (const auto kind : {0, 1, 2}) {
    std::optional<Client> client{std::in_place, server.url()};
    {
      net::io_context context;
      auto work = [&client, token = kept.token]() -> net::awaitable<void> {
        Mutex first{*client, "first"}, second{*client, "second"};
        auto one = co_await dlock::asio::async_acquire(first, net::use_awaitable);
        const auto mine = std::move(client);  // goes with the coroutine
        auto two = co_await dlock::asio::async_acquire(second, net::use_awaitable);
        ADD_FAILURE() << *token;
      };
      if (kind == 0) {
        net::co_spawn(context, std::move(work), net::detached);
      } else if (kind == 1) {
        net::co_spawn(net::make_strand(context), std::move(work), net::detached);
      } else {
        net::co_spawn(net::any_io_executor{context.get_executor()}, std::move(work), net::detached);
      }
      std::thread runs{[&] { context.run(); }};
      EXPECT_TRUE(come_to_wait("second", 1));
      context.stop();
      runs.join();
    }
    EXPECT_TRUE(is_free("first"));
    EXPECT_TRUE(come_to_wait("second", 0));
  }
  EXPECT_TRUE(eventually([&] { return kept.is_gone(); }));
}

TEST_F(Asio, AThreadPoolThatEndsAbandonsItsWaits) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Mutex mutex{client, "m"};
  const Kept kept;
  {
    net::thread_pool pool{2};
    for (int i = 0; i < 10; ++i) {
      dlock::asio::async_acquire(
          mutex, net::bind_executor(pool, [token = kept.token](std::exception_ptr, Lease) {
            ADD_FAILURE() << "called";
          }));
    }
    EXPECT_TRUE(come_to_wait("m", 1));
  }
  EXPECT_TRUE(kept.is_gone());
  held.reset();
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

TEST_F(Asio, HandlersOfAStoppedContextRunWhenItRunsAgain) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Mutex mutex{client, "m"};
  bool called = false;
  dlock::asio::async_acquire(
      mutex, net::bind_executor(loop, [&](const std::exception_ptr& error, Lease lease) {
        called = !error && lease.held();
      }));
  loop.stop();
  EXPECT_EQ(loop.run(), 0U);
  held.reset();
  EXPECT_TRUE(eventually([&] { return client.stats().acquired == 1; }));
  EXPECT_FALSE(called);
  loop.restart();
  loop.run();
  EXPECT_TRUE(called);
  EXPECT_TRUE(is_free("m"));
}

// In a child, since the threads that Asio makes for it stay for the rest of the program.
TEST_F(Asio, AFutureNeedsNoContext) {
  Forked child{[&] {
    Client client{server.url()};
    Mutex mutex{client, "m"};
    auto lease = dlock::asio::async_acquire(mutex, net::use_future);
    if (lease.wait_for(20s) != std::future_status::ready) return 1;
    auto released = dlock::asio::async_release(lease.get(), net::use_future);
    if (released.wait_for(20s) != std::future_status::ready) return 2;
    released.get();
    return is_free("m") ? 0 : 3;
  }};
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Asio, AReleaseGoesOnWithoutItsContext) {
  Client client{server.url()};
  const Kept kept;
  {
    net::io_context context;
    dlock::asio::async_release(
        Mutex{client, "m"}.acquire(),
        net::bind_executor(
            context, [token = kept.token](std::exception_ptr) { ADD_FAILURE() << "called"; }));
  }
  EXPECT_TRUE(kept.is_gone());
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

}  // namespace
}  // namespace dlock::test
