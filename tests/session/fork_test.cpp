// fork(): the child holds nothing and says so, and the parent's lock is unharmed.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <optional>

#include "support/client_fixture.hpp"
#include "support/forked.hpp"

#if defined(__SANITIZE_THREAD__)
// A child of a process with threads may start threads of its own; the thread sanitizer needs to be
// told.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace dlock::test {

namespace {

/// Collects what is not as it should be in a child, for its exit status.
class Checks {
 public:
  void operator()(bool good) {
    ++number_;
    if (!good && first_bad_ == 0) first_bad_ = number_;
  }
  /// 0, or the number of the first bad check.
  [[nodiscard]] int status() const { return first_bad_; }

 private:
  int number_ = 0;
  int first_bad_ = 0;
};

using ForkTest = ClientTest;

TEST_F(ForkTest, TheChildHoldsNothingAndSaysSo) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  RecursiveMutex recursive{client, "r"};
  auto lease = mutex.acquire();
  recursive.lock();
  Forked child{[&] {
    Checks check;
    const auto refused = [&](auto body) { check(reason_of(body) == errc::forked); };
    refused([&] { lease.ensure_held(); });
    refused([&] { lease.release(); });
    refused([&] { mutex.lock(); });
    refused([&] { (void)mutex.try_lock(); });
    refused([&] { (void)mutex.try_lock_for(1s); });
    refused([&] { (void)mutex.acquire(); });
    refused([&] { (void)mutex.try_acquire(); });
    refused([&] { (void)mutex.lease(); });
    refused([&] { recursive.lock(); });
    refused([&] { (void)recursive.lease(); });
    refused([&] { (void)client.stats(); });
    refused([&] { (void)DistributedLock{client, "other"}; });
    refused([&] { (void)list_locks(client); });
    check(words_of([&] { lease.ensure_held(); }).find("new Client") != std::string::npos);
    check(!lease.held());
    check(lease.valid_for() == 0ms);
    check(lease.lost().stop_requested());
    check(recursive.depth() == 0);
    recursive.unlock();
    mutex.unlock();
    return check.status();
  }};
  EXPECT_EQ(child.wait(), 0);
  lease.ensure_held();
  EXPECT_TRUE(holds("m", lease));
  EXPECT_TRUE(holds("r", recursive.lease()));
  recursive.unlock();
}

TEST_F(ForkTest, AChildLeavesDestroyedObjectsToTheParent) {
  auto client = std::make_optional<Client>(server.url());
  auto mutex = std::make_optional<Mutex>(*client, "m", LockOptions{.ttl = 500ms});
  mutex->lock();
  std::optional<Lease> lease{Mutex{*client, "l", {.ttl = 500ms}}.acquire()};
  const auto lost = lease->lost();
  Forked child{[&] {
    lease.reset();
    mutex.reset();
    client.reset();
    return 0;
  }};
  EXPECT_EQ(child.wait(), 0);
  const auto renewals = client->stats().renewals;
  EXPECT_TRUE(eventually([&] { return client->stats().renewals >= renewals + 8; }));
  lease->ensure_held();
  mutex->lease().ensure_held();
  EXPECT_EQ(client->stats().reconnects, 0U);
  EXPECT_FALSE(lost.stop_requested());
}

TEST_F(ForkTest, TheChildMayHaveAClientOfItsOwn) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  std::optional<Lease> lease{mutex.acquire()};
  const auto fence = lease->fence();
  Forked child{[&] {
    Checks check;
    {
      Client own{server.url()};
      Mutex theirs{own, "m"};
      check(!theirs.try_lock());
      const DistributedLock other{own, "other"};
      other.ensure_held();
      check(theirs.acquire().fence() > fence);
      check(own.stats().granted == 1);
    }
    return check.status();
  }};
  ASSERT_TRUE(come_to_wait("m", 1));
  lease.reset();
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(mutex.try_acquire());
}

TEST_F(ForkTest, AChildThatWasMadeBehindTheCLibrarysBackHoldsNothingEither) {
  Client client{server.url()};
  const auto lease = Mutex{client, "m"}.acquire();
  const auto child =
      static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) {
    ::_exit(!lease.held() && lease.valid_for() == 0ms ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  lease.ensure_held();
}

TEST_F(ForkTest, AForkInTheMiddleOfWaitsHarmsNobody) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m"};
  std::atomic<bool> ends{false};
  int count = 0;
  const auto work = [&] {
    int mine = 0;
    for (; !ends; ++mine) {
      const std::lock_guard lock{mutex};
      ++count;
    }
    return mine;
  };
  auto one = std::async(std::launch::async, work);
  auto two = std::async(std::launch::async, work);
  for (int i = 0; i < 20; ++i) {
    Forked child{[&] {
      Checks check;
      check(reason_of([&] { mutex.lock(); }) == errc::forked);
      mutex.unlock();
      return check.status();
    }};
    EXPECT_EQ(child.wait(), 0);
    const DistributedLock ours{there, "m"};
  }
  ends = true;
  EXPECT_EQ(one.get() + two.get(), count);
}

TEST_F(ForkTest, TheChildMayExitLikeAnyProgram) {
  static bool in_child = false;
  // Runs after the destructors of what is made later.
  std::atexit([] {
    if (in_child) ::_exit(0);
  });
  static std::optional<Client> client;
  static std::optional<Lease> lease;
  client.emplace(server.url());
  lease.emplace(Mutex{*client, "m"}.acquire());
  Forked child{[] {
    in_child = true;
    std::exit(1);
    return 1;
  }};
  EXPECT_EQ(child.wait(), 0);
  lease->ensure_held();
  EXPECT_TRUE(holds("m", *lease));
  lease.reset();
  client.reset();
}

}  // namespace

}  // namespace dlock::test
