// The end of a program: locks in destructors of statics and thread_locals, and in exit handlers.
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <thread>

#include "support/client_fixture.hpp"
#include "support/forked.hpp"

namespace dlock::test {
namespace {

/// The end of a child, as its parent sees it.
class Shared {
 public:
  Shared()
      : count_(new(::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>{0}) {}
  ~Shared() { ::munmap(count_, sizeof *count_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  std::atomic<int>& operator*() const { return *count_; }

 private:
  std::atomic<int>* count_;
};

struct AtEnd {
  std::function<void()> act;
  ~AtEnd() { act(); }
};

class ProgramEnd : public ClientTest {
 protected:
  /// Everything that asks which locks the thread has: a wait for another's lock, too.
  void work(Client& client) {
    const DistributedLock outer{client, "outer"};
    Mutex inner{client, "inner", {.ttl = 500ms}};
    auto there = inner.acquire();
    std::thread later{[&] { there.release(); }};
    EXPECT_TRUE((Mutex{client, "inner"}.try_acquire_for(20s)));
    later.join();
    SharedMutex both{client, "both"};
    both.lock_shared();
    both.unlock_shared();
    EXPECT_EQ(Lease{}.name(), "");
    EXPECT_EQ(std::ranges::distance(Leases{}), 0);
    ++*worked;
  }
  /// Ends the child as `end` does, and has it work `times` times by then.
  void expect_work(int times, const std::function<void()>& end) {
    Forked child{[&] {
      end();
      return 0;
    }};
    EXPECT_EQ(child.wait(), 7);
    EXPECT_EQ(*worked, times);
  }

  Shared worked;
};

TEST_F(ProgramEnd, DestructorsOfStaticsTakeLocks) {
  expect_work(2, [this] {
    static Client client{server.url()};
    static const AtEnd at_end{[this] { work(client); }};
    work(client);
    std::exit(7);
  });
}

TEST_F(ProgramEnd, TheFirstLockMayBeThatOfADestructor) {
  expect_work(1, [this] {
    static Client client{server.url()};
    static const AtEnd at_end{[this] { work(client); }};
    std::exit(7);
  });
}

TEST_F(ProgramEnd, ExitHandlersTakeLocksAndMakeClients) {
  expect_work(3, [this] {
    static const std::function<void()> last = [this] {
      Client client{server.url()};
      work(client);
      work(client);
    };
    std::atexit([] { last(); });
    std::optional<Client> client{std::in_place, server.url()};
    work(*client);
    client.reset();
    std::exit(7);
  });
}

TEST_F(ProgramEnd, AQuickEndRunsItsHandlersAndNoDestructor) {
  expect_work(2, [this] {
    static auto& client = *new Client{server.url()};
    static const std::function<void()> last = [this] { work(client); };
    std::at_quick_exit([] { last(); });
    work(client);
    std::quick_exit(7);
  });
  server.command({"FLUSHALL"});  // the client was not destroyed
}

TEST_F(ProgramEnd, DestructorsOfThreadLocalsTakeLocksWheneverTheyWereMade) {
  expect_work(6, [this] {
    static Client client{server.url()};
    const auto use = [this] {
      thread_local const AtEnd before{[this] { work(client); }};  // goes after ours
      work(client);
      thread_local const AtEnd after{[this] { work(client); }};
    };
    std::thread{use}.join();
    use();
    std::exit(7);
  });
}

TEST_F(ProgramEnd, AnyThreadMayEndIt) {
  expect_work(2, [this] {
    static Client client{server.url()};
    static const AtEnd at_end{[this] { work(client); }};
    std::thread{[this] {
      work(client);
      std::exit(7);
    }}.join();
  });
}

TEST_F(ProgramEnd, AHandlerMayEndIt) {
  expect_work(2, [this] {
    static Client client{server.url()};
    static Mutex mutex{client, "m"};
    static const DistributedLock held{client, "static"};
    static const AtEnd at_end{[this] { work(client); }};
    mutex.async_acquire([this](AcquireResult result) {
      work(client);
      result.lease->release();
      std::exit(7);
    });
    std::this_thread::sleep_for(1h);
  });
  EXPECT_TRUE(is_free("static"));
  server.command({"FLUSHALL"});  // the handler under way kept the client
}

TEST_F(ProgramEnd, ADestructorOfAStaticMayBeTheLastToHoldAClient) {
  expect_work(1, [this] {
    static Lease lease;
    static Mutex* mutex = nullptr;
    static const AtEnd at_end{[] { delete mutex; }};
    {
      Client client{server.url()};
      work(client);
      mutex = new Mutex{client, "m"};
      lease = mutex->acquire();
    }
    std::exit(7);
  });
  EXPECT_TRUE(is_free("m"));
}

}  // namespace
}  // namespace dlock::test
