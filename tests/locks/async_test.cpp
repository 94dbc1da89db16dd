// Asynchronous use: handlers, coroutines, cancellation, and that a wait costs no thread.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <coroutine>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

/// The least a coroutine needs: it starts at once, and nobody waits for it.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

auto threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {});
}

/// A handler, and what it was called with.
class Inbox {
 public:
  AcquireHandler handler() {
    return [promise = promise_](AcquireResult result) { promise->set_value(std::move(result)); };
  }
  AcquireResult result() {
    auto future = promise_->get_future();
    EXPECT_EQ(future.wait_for(20s), std::future_status::ready);
    return future.get();
  }

 private:
  std::shared_ptr<std::promise<AcquireResult>> promise_ =
      std::make_shared<std::promise<AcquireResult>>();
};

std::error_code release(Lease lease) {
  std::promise<std::error_code> outcome;
  async_release(std::move(lease), [&](std::error_code error) { outcome.set_value(error); });
  return outcome.get_future().get();
}

class Async : public ClientTest {};

TEST_F(Async, AHandlerGetsTheLeaseOnAThreadOfTheLibrary) {
  Client client{server.url()};
  std::promise<std::thread::id> where;
  std::optional<Lease> lease;
  Mutex{client, "m"}.async_acquire([&](AcquireResult result) {
    lease = std::move(result).get();
    where.set_value(std::this_thread::get_id());
  });
  EXPECT_NE(where.get_future().get(), std::this_thread::get_id());
  EXPECT_TRUE(holds("m", *lease));
  EXPECT_EQ(release(std::move(*lease)), std::error_code{});
  EXPECT_TRUE(is_free("m"));
}

TEST_F(Async, ATriedLockThatIsTakenIsNoError) {
  Client client{server.url()};
  Client there{server.url()};
  const DistributedLock held{there, "m"};
  Mutex mutex{client, "m"};
  for (const auto span : {0ms, 50ms}) {
    Inbox inbox;
    mutex.async_try_acquire_for(span, inbox.handler());
    auto result = inbox.result();
    EXPECT_EQ(result.error, errc::timed_out);
    EXPECT_THAT(result.what, HasSubstr("\"m\""));
    EXPECT_EQ(std::move(result).get_if(), std::nullopt);
  }
  EXPECT_TRUE(come_to_wait("m", 0));
}

TEST_F(Async, TheLimitOfTheOptionsEndsTheWait) {
  Client client{server.url()};
  Client there{server.url()};
  const DistributedLock held{there, "m"};
  Inbox inbox;
  Mutex{client, "m", {.wait = 30ms}}.async_acquire(inbox.handler());
  auto result = inbox.result();
  EXPECT_EQ(result.error, errc::timed_out);
  EXPECT_THROW((void)std::move(result).get(), TimedOut);
}

TEST_F(Async, AThousandWaitsCostNoThreadAndComeInTurn) {
  constexpr int waits = 1'000;
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Inbox first;
  Mutex{client, "other"}.async_acquire(first.handler());
  auto other = first.result();
  const auto threads_before = threads_of_this_process();

  std::atomic<int> inside{0}, most{0};
  std::atomic<int> done{0};
  std::int64_t last = held->fence();
  bool grew = true;
  Mutex mutex{client, "m"};
  for (int i = 0; i < waits; ++i) {
    mutex.async_acquire([&](AcquireResult result) {
      auto lease = std::move(result).get();
      most = std::max(most.load(), ++inside);
      grew = grew && lease.fence() > last;
      last = lease.fence();
      --inside;
      async_release(std::move(lease), [&](std::error_code error) { done += error ? 0 : 1; });
    });
  }
  EXPECT_TRUE(come_to_wait("m", 1)) << "they stand in the queue once";
  EXPECT_LE(threads_of_this_process(), threads_before);  // the one that dialled may end
  held.reset();
  EXPECT_TRUE(eventually([&] { return done == waits; }, 60s)) << done;
  EXPECT_EQ(most, 1);
  EXPECT_TRUE(grew);
  EXPECT_EQ(release(std::move(*other.lease)), std::error_code{});
}

Detached count_up(Mutex& mutex, int rounds, int& unguarded, std::atomic<int>& done) {
  for (int i = 0; i < rounds; ++i) {
    auto lease = co_await mutex.async_acquire();
    const int seen = unguarded;
    unguarded = seen + 1;
    co_await async_release(std::move(lease));
  }
  ++done;
}

TEST_F(Async, CoroutinesOfTwoClientsExcludeEachOther) {
  constexpr int coroutines = 20, rounds = 50;
  Client one{server.url()};
  Client two{server.url()};
  Mutex here{one, "m"};
  Mutex there{two, "m"};
  int unguarded = 0;
  std::atomic<int> done{0};
  for (int i = 0; i < coroutines; ++i) {
    count_up(i % 2 == 0 ? here : there, rounds, unguarded, done);
  }
  EXPECT_TRUE(eventually([&] { return done == coroutines; }, 60s));
  EXPECT_EQ(unguarded, coroutines * rounds);
}

Detached expect_errors(Mutex& mutex, std::stop_token stop, std::promise<errc>& cancelled,
                       std::promise<bool>& obtained) {
  obtained.set_value((co_await mutex.async_try_acquire_for(30ms)).has_value());
  auto reason = errc{};
  try {
    (void)co_await mutex.async_acquire(stop);
  } catch (const Error& error) {
    reason = error.reason();
  }
  try {
    (void)co_await mutex.async_try_acquire_for(1min, stop);
    reason = errc{};
  } catch (const Error& error) {
    if (error.reason() != reason) reason = errc{};
  }
  cancelled.set_value(reason);
}

TEST_F(Async, ACoroutineSeesTheSameErrorsAsAThread) {
  Client client{server.url()};
  Client there{server.url()};
  const DistributedLock held{there, "m"};
  Mutex mutex{client, "m"};
  std::stop_source stop;
  std::promise<errc> cancelled;
  std::promise<bool> obtained;
  expect_errors(mutex, stop.get_token(), cancelled, obtained);
  EXPECT_FALSE(obtained.get_future().get());
  EXPECT_TRUE(come_to_wait("m", 1));
  stop.request_stop();
  EXPECT_EQ(cancelled.get_future().get(), errc::cancelled);
  EXPECT_TRUE(come_to_wait("m", 0));
}

TEST_F(Async, AWaitThatIsCancelledBeforeItBeginsSendsNothing) {
  Client client{server.url()};
  std::stop_source stop;
  stop.request_stop();
  Mutex mutex{client, "m"};
  Inbox inbox;
  mutex.async_acquire(inbox.handler(), stop.get_token());
  EXPECT_EQ(inbox.result().error, errc::cancelled);
  Inbox tried;
  mutex.async_try_acquire_for(1s, tried.handler(), stop.get_token());
  EXPECT_EQ(tried.result().error, errc::cancelled);
  EXPECT_EQ(client.stats().commands, 0U);
}

TEST_F(Async, AStopThatRacesTheAnswerGivesOneOfBothAndLeavesNothing) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    Inbox inbox;
    mutex.async_acquire(inbox.handler(), stop.get_token());
    if (i % 3 != 0) {
      std::this_thread::sleep_for(std::chrono::microseconds{i % 100});
    }
    stop.request_stop();
    auto result = inbox.result();
    EXPECT_TRUE(result.lease || result.error == errc::cancelled);
  }
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

TEST_F(Async, AnUnreachableServerIsAnError) {
  Client client{"redis://127.0.0.1:1", {.patience = 50ms}};
  Inbox inbox;
  Mutex{client, "m"}.async_acquire(inbox.handler());
  auto result = inbox.result();
  EXPECT_EQ(result.error, errc::unreachable);
  EXPECT_THROW((void)std::move(result).get(), Unreachable);
}

TEST_F(Async, AClientThatEndsCancelsItsWaits) {
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Inbox inbox;
  {
    Client client{server.url()};
    Mutex{client, "m"}.async_acquire(inbox.handler());
    EXPECT_TRUE(come_to_wait("m", 1));
  }
  EXPECT_EQ(inbox.result().error, errc::cancelled);
  EXPECT_TRUE(come_to_wait("m", 0));
}

TEST_F(Async, AHandlerMayDropTheLastOfItsClient) {
  std::promise<void> dropped;
  auto client = std::make_unique<Client>(server.url());
  Mutex{*client, "m"}.async_acquire([&](AcquireResult result) {
    result.lease.reset();
    client.reset();
    dropped.set_value();
  });
  dropped.get_future().get();
  EXPECT_TRUE(is_free("m"));
}

TEST_F(Async, AHandlerMayWaitForAnotherLock) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "second"}.acquire()};
  std::promise<bool> both;
  Mutex{client, "first"}.async_acquire([&](AcquireResult result) {
    const auto first = std::move(result).get();
    const DistributedLock second{client, "second"};
    both.set_value(first.held() && second.held());
  });
  EXPECT_TRUE(come_to_wait("second", 1));
  held.reset();
  EXPECT_TRUE(both.get_future().get());
}

TEST_F(Async, ACallOfAHandlerIsSentHoweverLongTheHandlerRuns) {
  Client client{server.url()};
  std::promise<void> sent, seen;
  std::promise<void> second;
  Mutex{client, "first"}.async_acquire([&](AcquireResult first) {
    Mutex{client, "second"}.async_acquire([&](AcquireResult) { second.set_value(); });
    sent.set_value();
    seen.get_future().get();
    first.lease.reset();
  });
  sent.get_future().get();
  EXPECT_TRUE(eventually([&] { return !is_free("second"); }));
  seen.set_value();
  second.get_future().get();
}

TEST_F(Async, TheReleaseOfALostLeaseSaysSo) {
  Client client{server.url()};
  auto lease = Mutex{client, "m"}.acquire();
  server.command({"DEL", "m"});
  EXPECT_EQ(release(std::move(lease)), errc::lost);
  EXPECT_EQ(release(Lease{}), std::error_code{}) << "nothing to release";
}

TEST_F(Async, ReadersEnterTogetherAndAWriterIsTriedInVain) {
  Client client{server.url()};
  SharedMutex mutex{client, "pages"};
  Inbox first, second, writer, reader;
  mutex.reader().async_acquire(first.handler());
  mutex.reader().async_try_acquire_for(1s, second.handler());
  auto one = first.result(), two = second.result();
  EXPECT_TRUE(one.lease->held() && two.lease->held());
  mutex.async_try_acquire_for(0ms, writer.handler());
  EXPECT_EQ(writer.result().error, errc::timed_out);
  one.lease.reset();
  two.lease.reset();
  mutex.async_acquire(reader.handler());
  EXPECT_TRUE(reader.result().lease->held());
}

// The number of segments with data that this process sent to that port.
unsigned segments_to(int port) {
  unsigned sent = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 ||
        peer.sin_family != AF_INET || ntohs(peer.sin_port) != port) {
      continue;
    }
    tcp_info info{};
    size = sizeof info;
    EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    sent += info.tcpi_data_segs_out;
  }
  return sent;
}

TEST_F(Async, CallsThatBeginWhileTheServerOwesAReplyShareAWrite) {
  Client client{server.url()};
  {
    const DistributedLock connected{client, "m"};
  }
  std::vector<Inbox> inboxes(64);
  server.stop();
  const auto before = segments_to(server.port());
  for (std::size_t i = 0; i < inboxes.size(); ++i) {
    Mutex{client, "m" + std::to_string(i)}.async_acquire(inboxes[i].handler());
  }
  EXPECT_LE(segments_to(server.port()) - before, 4);
  server.cont();
  for (auto& inbox : inboxes) EXPECT_TRUE(inbox.result().lease->held());
}

TEST_F(Async, ThreadsAndHandlersShareAClient) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex here{client, "m"};
  std::atomic<int> handled{0};
  int unguarded = 0;
  std::vector<std::jthread> threads;
  for (Client* user : {&client, &client, &there}) {
    threads.emplace_back([user, &unguarded] {
      for (int i = 0; i < 100; ++i) {
        const DistributedLock lock{*user, "m"};
        ++unguarded;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    here.async_acquire([&](AcquireResult result) {
      ++unguarded;
      async_release(std::move(result).get(), [&](std::error_code) { ++handled; });
    });
  }
  threads.clear();
  EXPECT_TRUE(eventually([&] { return handled == 100; }, 30s));
  EXPECT_EQ(unguarded, 400);
}

}  // namespace
}  // namespace dlock::test
