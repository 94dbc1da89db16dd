// A name server that does not answer: connecting ends in its time, whatever the resolver does.
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>

#include <cstring>

#include "redis/connection.hpp"
#include "support/client_fixture.hpp"

namespace {

constexpr const char* silent = "silent.invalid";

}  // namespace

// In place of the C library's.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  using Function = int(const char*, const char*, const addrinfo*, addrinfo**);
  static auto* const real = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const bool asks = hints == nullptr || (hints->ai_flags & AI_NUMERICHOST) == 0;
  if (asks && name != nullptr && std::strcmp(name, silent) == 0) {
    ::poll(nullptr, 0, 20'000);
    return EAI_AGAIN;
  }
  return real(name, service, hints, result);
}

namespace dlock::test {
namespace {

class SlowNames : public testing::TestWithParam<std::string> {};

TEST_P(SlowNames, DoNotDelayAWaitBeyondTheConnectTimeout) {
  Client client{GetParam() + silent, {.connect_timeout = 200ms, .patience = 100ms}};
  Mutex mutex{client, "a"};
  const auto begin = SteadyClock::now();
  EXPECT_EQ(reason_of([&] { (void)mutex.acquire(); }), errc::unreachable);
  EXPECT_THAT(words_of([&] { (void)mutex.try_acquire(); }), HasSubstr("host name"));
  EXPECT_LT(SteadyClock::now() - begin, 15s);  // the resolver takes 20 s
}

TEST(SlowNames, LeaveTimeForTheOtherServers) {
  const RedisServer server;
  const RedisServer another;
  const auto url = std::string{"redis+quorum://"} + silent +
                   ":1,127.0.0.1:" + std::to_string(server.port()) +
                   ",127.0.0.1:" + std::to_string(another.port());
  const auto begin = SteadyClock::now();
  EXPECT_NO_THROW((void)redis::Connection::open({redis::parse_url(url), "dlock:0123", 2s}));
  EXPECT_LT(SteadyClock::now() - begin, 15s);
}

INSTANTIATE_TEST_SUITE_P(Urls, SlowNames, testing::Values("redis://", "redis+cluster://"));

}  // namespace
}  // namespace dlock::test
