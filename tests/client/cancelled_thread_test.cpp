// Threads that are ended with pthread_cancel() while they wait for a lock.
#include <pthread.h>

#include <optional>
#include <thread>
#include <vector>

#include "client/fixture.hpp"

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

}  // namespace
}  // namespace dlock::test
