// Threads that are ended with pthread_cancel(): while they wait, and while they end what they have.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cancellation.hpp"
#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class CancelledThread : public ClientTest {
 protected:
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "taken"};

  pthread_t wait() {
    pthread_t thread{};
    const auto run = [](void* self) -> void* {
      const auto lease = static_cast<CancelledThread*>(self)->mutex.acquire();
      return self;
    };
    EXPECT_EQ(::pthread_create(&thread, nullptr, run, this), 0);
    return thread;
  }
  static bool was_cancelled(pthread_t thread) {
    void* result = nullptr;
    EXPECT_EQ(::pthread_join(thread, &result), 0);
    return result == PTHREAD_CANCELED;
  }
  void TearDown() override {}
};

TEST_F(CancelledThread, LeavesTheQueueAndTheOthersGoOn) {
  std::optional<Lease> held{Mutex{there, "taken"}.acquire()};
  for (int round = 0; round < 10; ++round) {
    std::vector<pthread_t> threads(3);  // one reads the socket for the others
    for (auto& thread : threads) thread = wait();
    EXPECT_TRUE(come_to_wait("taken", 1));
    for (const auto thread : threads) {
      ::pthread_cancel(thread);
      EXPECT_TRUE(was_cancelled(thread));
      EXPECT_TRUE((Mutex{client, "free"}.try_acquire_for(20s)));
    }
    EXPECT_TRUE(come_to_wait("taken", 0));
  }
  held.reset();
  EXPECT_TRUE((Mutex{client, "taken"}.try_acquire_for(20s)));
}

TEST_F(CancelledThread, GivesBackWhatCameMeanwhile) {
  for (int round = 0; round < 100; ++round) {
    std::vector<pthread_t> threads(3);
    for (auto& thread : threads) thread = wait();
    if (round % 2 == 0) std::this_thread::yield();
    for (const auto thread : threads) ::pthread_cancel(thread);
    for (const auto thread : threads) was_cancelled(thread);
  }
  EXPECT_TRUE(eventually([&] { return is_free("taken"); }));
  EXPECT_TRUE((Mutex{there, "taken"}.try_acquire_for(20s)));
}

/// Runs a function on a thread that is cancelled already. A cancellation point in it ends it there,
/// or all of the program where nothing may be thrown.
bool comes_to_its_end(std::function<void()> function) {
  struct Run {
    std::function<void()> function;
    bool is_over = false;
  } run{std::move(function)};
  const auto act = [](void* argument) -> void* {
    auto& self = *static_cast<Run*>(argument);
    ::pthread_cancel(::pthread_self());
    self.function();
    self.is_over = true;
    ::pthread_testcancel();
    return nullptr;
  };
  pthread_t thread{};
  EXPECT_EQ(::pthread_create(&thread, nullptr, act, &run), 0);
  void* result = nullptr;
  EXPECT_EQ(::pthread_join(thread, &result), 0);
  return run.is_over && result == PTHREAD_CANCELED;
}

TEST_F(CancelledThread, EndsTheWaitsOfOthers) {
  const auto held = Mutex{there, "taken"}.acquire();
  auto observer = Election{client, "e"}.observe();
  EXPECT_TRUE(observer.next_for(20s));
  std::stop_source stop;
  auto sees = std::async(std::launch::async,
                         [&] { return reason_of([&] { (void)observer.next(stop.get_token()); }); });
  auto takes = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)mutex.acquire(stop.get_token()); });
  });
  EXPECT_TRUE(come_to_wait("taken", 1));
  EXPECT_TRUE(comes_to_its_end([&] { stop.request_stop(); }));
  EXPECT_EQ(sees.get(), errc::cancelled);
  EXPECT_EQ(takes.get(), errc::cancelled);
}

TEST_F(CancelledThread, DestroysWhatItHas) {
  // Each with a client of its own, whose last handle it is.
  const auto give_up = [&](auto make) {
    std::optional<Client> owner{std::in_place, server.url()};
    auto had = std::make_unique<decltype(make(*owner))>(make(*owner));
    owner.reset();
    return comes_to_its_end([&] { had.reset(); });
  };
  EXPECT_TRUE(give_up([](Client& owner) { return Mutex{owner, "m"}.acquire(); }));
  EXPECT_TRUE(give_up([](Client& owner) { return acquire_all(owner, {"a", "b"}); }));
  EXPECT_TRUE(give_up([](Client& owner) { return SharedMutex{owner, "s"}.acquire_upgradeable(); }));
  EXPECT_TRUE(give_up([](Client& owner) { return Election{owner, "e"}.campaign("v"); }));
  EXPECT_TRUE(give_up([](Client& owner) {
    auto observer = Election{owner, "e"}.observe();
    EXPECT_TRUE(observer.next_for(20s));
    return observer;
  }));
  EXPECT_TRUE(give_up([](Client& owner) {
    std::promise<void> told;
    auto watch = Election{owner, "e"}.observe([&](const LeaderChange&) { told.set_value(); });
    told.get_future().get();
    return watch;
  }));
  EXPECT_TRUE(eventually([&] { return is_free("m") && is_free("a") && is_free("e"); }));
}

TEST_F(CancelledThread, DestroysAClientThatDidEverything) {
  const auto taken = Mutex{there, "taken"}.acquire();
  std::atomic<int> lines{0};
  std::optional<Client> owner{
      std::in_place, server.url(),
      ClientOptions{.request_timeout = 300ms, .log = [&](LogLevel, std::string_view) { ++lines; }}};
  const auto lost = Mutex{*owner, "lost"}.acquire();
  const auto told = lost.lost();
  const auto watch = Election{*owner, "e"}.observe([](const LeaderChange&) {});
  auto waits = std::async(std::launch::async, [&] {
    Mutex mine{*owner, "mine"};
    const std::lock_guard lock{mine};  // so that deadlocks are looked for
    return reason_of([&] { (void)Mutex{*owner, "taken"}.try_acquire_for(1h); });
  });
  EXPECT_TRUE(come_to_wait("taken", 1));
  server.command({"DEL", "lost"});
  EXPECT_TRUE(comes_to_its_end([&] { owner.reset(); }));
  EXPECT_EQ(waits.get(), errc::cancelled);
}

TEST_F(CancelledThread, UnlocksAndLetsGo) {
  Mutex one{client, "one"};
  SharedMutex many{client, "many"};
  EXPECT_TRUE(comes_to_its_end([&] {
    const runtime::Cancellation none{PTHREAD_CANCEL_DISABLE};
    one.lock();
    many.lock_shared();
    ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    one.unlock();
    many.unlock_shared();
  }));
  EXPECT_TRUE(is_free("one") && is_free("many"));
}

/// Runs a function on a thread that may be ended.
class Started {
 public:
  explicit Started(std::function<void()> function) : function_(std::move(function)) {
    const auto act = [](void* argument) -> void* {
      auto& self = *static_cast<Started*>(argument);
      self.number_.set_value(::gettid());
      self.function_();
      return nullptr;
    };
    EXPECT_EQ(::pthread_create(&thread_, nullptr, act, this), 0);
  }
  [[nodiscard]] bool falls_asleep() {
    const auto stat = "/proc/self/task/" + std::to_string(number_.get_future().get()) + "/stat";
    return eventually([&] {
      std::string line;
      std::getline(std::ifstream{stat}, line);
      return line.find(") S ") != std::string::npos;
    });
  }
  [[nodiscard]] bool is_ended() {
    ::pthread_cancel(thread_);
    void* result = nullptr;
    EXPECT_EQ(::pthread_join(thread_, &result), 0);
    return result == PTHREAD_CANCELED;
  }

 private:
  const std::function<void()> function_;
  std::promise<pid_t> number_;
  pthread_t thread_{};
};

// Cancels a thread that sleeps in `wait`, and one that may not sleep yet.
void ends(const std::function<void()>& wait) {
  for (const bool is_asleep : {true, false}) {
    Started one{wait};
    if (is_asleep) {
      EXPECT_TRUE(one.falls_asleep());
    }
    EXPECT_TRUE(one.is_ended());
  }
}

TEST_F(CancelledThread, IsEndedWhateverItWaitsFor) {
  const auto held = Mutex{there, "taken"}.acquire();
  const auto leads = Election{there, "e"}.campaign("v");
  auto observer = Election{client, "e"}.observe();
  EXPECT_TRUE(observer.next_for(20s));
  Latch latch{client, "l", 1};
  const std::vector<std::function<void()>> waits{
      [&] { (void)mutex.acquire(); },
      [&] { (void)mutex.try_acquire_for(1h); },
      [&] {
        const auto mine = SharedMutex{client, "s"}.acquire();
        (void)mutex.acquire();
      },
      [&] { (void)Election{client, "e"}.campaign("mine"); },
      [&] { (void)observer.next(); },
      [&] { (void)observer.next_for(1h); },
      [&] { latch.wait(); },
      [&] { (void)acquire_all(client, {"a", "taken"}); },
  };
  for (std::size_t i = 0; i < waits.size(); ++i) {
    SCOPED_TRACE(i);
    ends(waits[i]);
  }
  EXPECT_TRUE(come_to_wait("taken", 0));
  EXPECT_TRUE(eventually([&] { return is_free("s") && is_free("a"); }));
  EXPECT_TRUE((Mutex{client, "free"}.try_acquire_for(20s)));
}

TEST_F(CancelledThread, IsEndedWhileItWaitsForReplicas) {
  ends([&] { (void)Mutex{client, "r", {.min_replicas = 1, .replication_timeout = 1h}}.acquire(); });
  EXPECT_TRUE(eventually([&] { return is_free("r"); }));
  EXPECT_TRUE((Mutex{client, "free"}.try_acquire_for(20s)));
}

}  // namespace
}  // namespace dlock::test
