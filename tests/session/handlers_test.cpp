// Handlers, callbacks and sinks: none comes after its client, and none that fails takes others
// along.
#include <pthread.h>

#include <atomic>
#include <coroutine>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"
#include "support/rights.hpp"

namespace dlock::test {
namespace {

/// A client's end, and who was called when.
class End {
 public:
  void note() { ++(over_ ? late_ : calls_); }
  void is_over() { over_ = true; }
  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] int late() const { return late_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> calls_{0}, late_{0};
};

class Handlers : public ClientTest {};

TEST_F(Handlers, NoneComesAfterItsClient) {
  Client there{server.url()};
  const auto held = Mutex{there, "taken"}.acquire();
  for (int round = 0; round < 30; ++round) {
    End end;
    const auto note = [&end] { end.note(); };
    Lease lost_one;
    std::optional<std::stop_callback<decltype(note)>> on_loss;
    std::optional<Client> client{
        std::in_place, server.url(),
        ClientOptions{.log = [&](LogLevel, std::string_view) { end.note(); }}};
    auto given = Mutex{*client, "given"}.acquire();
    lost_one = Mutex{*client, "lost", {.ttl = 300ms}}.acquire();
    on_loss.emplace(lost_one.lost(), note);
    Mutex taken{*client, "taken"};
    for (int i = 0; i < 20; ++i) {
      taken.async_acquire([&end](AcquireResult result) {
        EXPECT_EQ(result.error, errc::cancelled);
        end.note();
      });
    }
    Mutex{*client, "free"}.async_acquire([&end](AcquireResult result) {
      end.note();
      if (!result.lease) return end.note();  // cancelled
      async_release(std::move(*result.lease), [&end](std::error_code) { end.note(); });
    });
    async_release(std::move(given), [&end](std::error_code error) {
      EXPECT_FALSE(error);
      end.note();
    });
    if (round % 2 == 0) server.command({"DEL", "lost"});
    client.reset();
    end.is_over();
    EXPECT_GE(end.calls(), 20 + 1 + 2);
    on_loss.reset();
    EXPECT_EQ(end.late(), 0);
    lost_one = {};
    EXPECT_EQ(end.late(), 0) << "the sink hears of no lease that outlives the client";
  }
}

TEST_F(Handlers, AWaitForReplicasEndsWithTheClientToo) {
  if (rights_are_enforced()) GTEST_SKIP() << "+wait is not among the rights that all have";
  End end;
  {
    Client client{server.url()};
    const LockOptions options{.min_replicas = 1, .replication_timeout = 1h};
    for (int i = 0; i < 3; ++i) {
      Mutex{client, "m" + std::to_string(i), options}.async_acquire([&](AcquireResult result) {
        EXPECT_EQ(result.error, errc::cancelled) << result.what;
        end.note();
      });
    }
    EXPECT_TRUE(eventually([&] { return client.stats().acquired == 3; }));
    EXPECT_TRUE(eventually([&] {
      return server.command({"CLIENT", "LIST"}).find(" cmd=wait ") != std::string::npos;
    }));
  }
  end.is_over();
  EXPECT_EQ(end.calls(), 3);
  EXPECT_TRUE(is_free("m0") && is_free("m1") && is_free("m2"));
}

TEST_F(Handlers, AnObserverEndsWithItsClient) {
  for (int round = 0; round < 5; ++round) {
    End end;
    std::optional<Client> client{std::in_place, server.url()};
    Client there{server.url()};
    Election election{there, "e"};
    const auto watch = Election{*client, "e"}.observe([&](const LeaderChange&) { end.note(); });
    auto leads = election.campaign("one");
    EXPECT_TRUE(eventually([&] { return end.calls() > 0; }));
    client.reset();
    end.is_over();
    for (int i = 0; i < 20; ++i) leads.proclaim("more");
    leads.resign();
    EXPECT_EQ(end.late(), 0);
  }
}

TEST_F(Handlers, CallsMadeWhenTheClientIsGoneAreAnswered) {
  std::optional<Client> client{std::in_place, server.url()};
  Mutex mutex{*client, "m"};
  auto lease = mutex.acquire();
  client.reset();
  std::promise<std::error_code> wait, release;
  mutex.async_acquire([&](AcquireResult result) { wait.set_value(result.error); });
  async_release(std::move(lease), [&](std::error_code error) { release.set_value(error); });
  EXPECT_EQ(wait.get_future().get(), errc::cancelled);
  EXPECT_FALSE(release.get_future().get());
}

TEST_F(Handlers, AreDroppedIfABlockedOneKeepsThemFromRunning) {
  std::promise<void> begun, go_on;
  auto gone_on = go_on.get_future().share();
  const auto kept = std::make_shared<int>();
  End end;
  std::optional<Client> client{std::in_place, server.url(),
                               ClientOptions{.request_timeout = 200ms}};
  Mutex{*client, "first"}.async_acquire([&begun, gone_on](AcquireResult) {
    begun.set_value();
    gone_on.wait();
  });
  begun.get_future().get();
  Mutex{*client, "second"}.async_acquire([&end, kept](AcquireResult) { end.note(); });
  EXPECT_TRUE(eventually([&] { return !is_free("second"); }));
  client.reset();
  end.is_over();
  EXPECT_EQ(kept.use_count(), 1) << "it is destroyed";
  EXPECT_TRUE(eventually([&] { return is_free("second"); })) << "nobody else would give it back";
  go_on.set_value();
  EXPECT_TRUE(eventually([&] { return is_free("first"); }));
  EXPECT_EQ(end.calls() + end.late(), 0);
}

TEST_F(Handlers, RunEvenAfterOneThatEndsItsClient) {
  std::promise<void> let_go, last;
  std::optional<Client> client{std::in_place, server.url()};
  std::atomic<bool> is_done{false};
  Client there{server.url()};
  const auto held = Mutex{there, "taken"}.acquire();
  Mutex{*client, "taken"}.async_acquire([&](AcquireResult result) {
    EXPECT_EQ(result.error, errc::cancelled);
    EXPECT_TRUE(is_done);
    last.set_value();
  });
  Mutex{*client, "free"}.async_acquire([&](AcquireResult result) {
    result.lease->release();
    client.reset();
    is_done = true;
  });
  last.get_future().get();
}

TEST_F(Handlers, RunEvenAfterOneThatThrowsWhichIsReported) {
  std::mutex mutex;
  std::vector<std::string> lines;
  {
    Client client{server.url(), {.log = [&](LogLevel, std::string_view text) {
                    const std::lock_guard lock{mutex};
                    lines.emplace_back(text);
                  }}};
    Client there{server.url()};
    std::optional<Lease> held{Mutex{there, "m"}.acquire()};
    Mutex wait{client, "m"};
    std::atomic<int> calls{0};
    for (int i = 0; i < 40; ++i) {
      wait.async_try_acquire_for(i % 2 == 0 ? 50ms : 1h, [&, i](AcquireResult result) {
        result.lease.reset();
        ++calls;
        if (i % 4 == 0) throw std::runtime_error{"no more memory"};
        if (i % 4 == 3) throw 42;
      });
    }
    EXPECT_TRUE(eventually([&] { return calls == 20; }));
    held.reset();
    EXPECT_TRUE(eventually([&] { return calls == 40; }));
  }
  EXPECT_EQ(std::ranges::count_if(lines,
                                  [](const auto& line) {
                                    return line == "a handler or callback threw: no more memory";
                                  }),
            10);
  EXPECT_EQ(lines.size(), 20U);
}

TEST_F(Handlers, ASinkThatThrowsIsCalledAgain) {
  std::atomic<int> calls{0};
  Client client{server.url(), {.log = [&](LogLevel, std::string_view) {
                  ++calls;
                  throw std::runtime_error{"the disk is full"};
                }}};
  for (int i = 0; i < 3; ++i) {
    const auto lease = Mutex{client, "m", {.ttl = 300ms}}.acquire();
    server.command({"DEL", "m"});
    EXPECT_TRUE(eventually([&] { return lease.lost().stop_requested(); }));
    EXPECT_TRUE(eventually([&] { return calls > i; }));
  }
}

TEST_F(Handlers, AnObserversHandlerThatThrowsIsCalledAgain) {
  std::atomic<int> calls{0}, lines{0};
  Client client{server.url(), {.log = [&](LogLevel, std::string_view text) {
                  lines += text.find("too late") != text.npos ? 1 : 0;
                }}};
  Election election{client, "e"};
  const auto watch = election.observe([&](const LeaderChange&) {
    ++calls;
    throw std::logic_error{"too late"};
  });
  EXPECT_TRUE(eventually([&] { return calls == 1; }));
  auto leads = election.campaign("one");
  EXPECT_TRUE(eventually([&] { return calls == 2; }));
  EXPECT_TRUE(eventually([&] { return lines == 2; }));
}

TEST_F(Handlers, RunEvenAfterOneThatEndsItsThread) {
  Client client{server.url()};
  std::atomic<int> calls{0};
  for (int i = 0; i < 20; ++i) {
    Mutex{client, "m" + std::to_string(i)}.async_acquire([&](AcquireResult result) {
      result.lease.reset();
      ++calls;
      ::pthread_exit(nullptr);
    });
  }
  EXPECT_TRUE(eventually([&] { return calls == 20; })) << calls;
}

/// A coroutine that its owner may destroy while it waits.
struct Owned {
  struct promise_type {
    Owned get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Owned take(Mutex& mutex, std::stop_token stop, std::shared_ptr<int> kept) {
  const auto lease = co_await mutex.async_acquire(std::move(stop));
  ADD_FAILURE() << "resumed: " << *kept;
}

TEST_F(Handlers, ACoroutineMayBeDestroyedWhileItAwaitsTheLock) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m"};
  for (const bool has_stop : {false, true}) {
    std::optional<Lease> held{Mutex{there, "m"}.acquire()};
    std::stop_source stop;
    const auto kept = std::make_shared<int>();
    const auto wait = take(mutex, has_stop ? stop.get_token() : std::stop_token{}, kept);
    EXPECT_TRUE(come_to_wait("m", 1));
    wait.handle.destroy();
    EXPECT_EQ(kept.use_count(), 1);
    EXPECT_TRUE(come_to_wait("m", 0));
    held.reset();
    EXPECT_TRUE((Mutex{there, "m"}.try_acquire_for(20s)));
    EXPECT_TRUE(eventually([&] { return is_free("m"); }));
  }
}

Owned give(Lease lease) {
  co_await async_release(std::move(lease));
  ADD_FAILURE() << "resumed";
}

TEST_F(Handlers, ACoroutineMayBeDestroyedWhileItAwaitsTheRelease) {
  Client client{server.url(), {.request_timeout = 200ms}};
  auto lease = Mutex{client, "m", {.ttl = 1h}}.acquire();
  server.stop();
  const auto release = give(std::move(lease));
  release.handle.destroy();
  server.cont();
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

TEST_F(Handlers, ALeaseThatComesWhenTheCoroutineIsGoneIsGivenBack) {
  std::promise<void> begun, destroyed;  // outlive the client, which waits for its handlers
  Client client{server.url()};
  Mutex{client, "first"}.async_acquire([&](AcquireResult) {
    begun.set_value();
    destroyed.get_future().get();
  });
  begun.get_future().get();
  Mutex mutex{client, "m"};
  const auto wait = take(mutex, {}, std::make_shared<int>());
  EXPECT_TRUE(eventually([&] { return client.stats().acquired == 2; }));
  wait.handle.destroy();
  EXPECT_FALSE(is_free("m")) << "only the handler gives it back";
  destroyed.set_value();
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

}  // namespace
}  // namespace dlock::test
