// Random bits of programs whose machine was resumed from a snapshot: what was in memory is the same
// in all of them, what the kernel gives is not.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <set>

#include "client/fixture.hpp"

namespace {

std::atomic<std::size_t> bytes_drawn{0};

}  // namespace

extern "C" ssize_t getrandom(void* into, std::size_t size, unsigned flags) {
  const auto got = ::syscall(SYS_getrandom, into, size, flags);
  bytes_drawn += got > 0 ? static_cast<std::size_t>(got) : 0;
  return got;
}

namespace dlock::test {
namespace {

TEST(Snapshot, EveryTokenIsDrawnFromTheKernelAfterItWasAskedFor) {
  const RedisServer server{};
  Client client{server.url()};
  Mutex mutex{client, "job"};
  std::set<std::string> randoms;
  for (int i = 0; i < 200; ++i) {
    const auto before = bytes_drawn.load();
    const auto lease = mutex.acquire();
    EXPECT_GE(bytes_drawn.load() - before, 16U) << i;
    EXPECT_LE(bytes_drawn.load() - before, 64U) << "kept for later? " << i;
    randoms.insert(lease.token().substr(core::token_random_at, 32));
  }
  EXPECT_EQ(randoms.size(), 200U);
}

}  // namespace
}  // namespace dlock::test
