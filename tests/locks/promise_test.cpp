// The public API as it was promised: it compiles as written and means what it says.
#include <concepts>
#include <mutex>
#include <type_traits>

#include "support/client_fixture.hpp"
#include "support/local_directory.hpp"

namespace dlock::test {

namespace {

template <class T>
concept Lockable = requires(T lock) {
  { lock.lock() };
  { lock.try_lock() } -> std::convertible_to<bool>;
  { lock.unlock() } noexcept;
};
template <class T>
concept TimedLockable = Lockable<T> && requires(T lock) {
  { lock.try_lock_for(1us) } -> std::convertible_to<bool>;
  { lock.try_lock_until(SteadyClock::now()) } -> std::convertible_to<bool>;
  { lock.try_lock_until(std::chrono::system_clock::now()) } -> std::convertible_to<bool>;
};

static_assert(TimedLockable<Mutex> && TimedLockable<RecursiveMutex>);
static_assert(!std::is_move_constructible_v<Mutex> && !std::is_copy_constructible_v<Mutex>);
static_assert(!std::is_copy_constructible_v<Lease> && !std::is_copy_assignable_v<Lease>);
static_assert(std::is_nothrow_move_constructible_v<Lease>);
static_assert(std::is_nothrow_move_assignable_v<Lease> && std::is_nothrow_destructible_v<Lease>);
static_assert(std::is_nothrow_default_constructible_v<Lease>);
static_assert(std::derived_from<DistributedLock, Lease>);
static_assert(std::is_nothrow_move_constructible_v<DistributedLock>);
static_assert(!std::is_copy_constructible_v<Client> && std::is_nothrow_move_assignable_v<Client>);
static_assert(std::is_error_code_enum_v<errc>);
static_assert(std::derived_from<Error, std::system_error> && std::derived_from<LockLost, Error>);
static_assert(std::same_as<decltype(std::declval<Lease&>().fence()), std::int64_t>);
static_assert(std::same_as<decltype(std::declval<Lease&>().lost()), std::stop_token>);

using Promise = ClientTest;

TEST_F(Promise, ALockIsHeldInItsScope) {
  dlock::Client client{server.url()};
  {
    dlock::DistributedLock lock{client, "register_user", {.ttl = 30s}};
    EXPECT_TRUE(holds("register_user", lock));
    EXPECT_EQ(lock.name(), "register_user");
    EXPECT_GT(lock.fence(), 0);
    EXPECT_TRUE(lock.lost().stop_possible());
    EXPECT_FALSE(lock.lost().stop_requested());
    EXPECT_GT(lock.valid_for(), 15s);
    EXPECT_LT(lock.valid_for(), 30s);
    EXPECT_TRUE(lock.held());
    lock.ensure_held();
  }
  EXPECT_TRUE(is_free("register_user"));
}

TEST_F(Promise, ALockCanBeReleasedBeforeItsScopeEnds) {
  dlock::Client client{server.url()};
  dlock::DistributedLock lock{client, "register_user", {.ttl = 30s}};
  lock.release();
  EXPECT_TRUE(is_free("register_user"));
  EXPECT_FALSE(lock);
  lock.release();  // nothing
}

TEST_F(Promise, StandardLocksTakeAMutex) {
  dlock::Client client{server.url()};
  dlock::Mutex mutex{client, "register_user", {.ttl = 30s}};
  dlock::Mutex other{client, "other"};
  {
    std::scoped_lock both{mutex, other};
    EXPECT_TRUE(holds("register_user", mutex.lease()));
    EXPECT_TRUE(holds("other", other.lease()));
  }
  EXPECT_TRUE(is_free("register_user") && is_free("other"));
  {
    std::unique_lock timed{mutex, 250ms};
    EXPECT_TRUE(timed);
    std::unique_lock<dlock::Mutex> moved = std::move(timed);
    EXPECT_TRUE(holds("register_user", mutex.lease()));
    moved.unlock();
    EXPECT_TRUE(is_free("register_user"));
  }
}

TEST_F(Promise, ATriedLeaseIsAMovableHandle) {
  dlock::Client client{server.url()};
  dlock::Mutex mutex{client, "register_user", {.ttl = 30s}};
  if (auto lease = mutex.try_acquire_for(2s)) {
    const auto token = lease->token();
    dlock::Lease elsewhere = std::move(*lease);
    EXPECT_FALSE(*lease);
    EXPECT_TRUE(elsewhere);
    EXPECT_EQ(elsewhere.token(), token);
    EXPECT_TRUE(holds("register_user", elsewhere));
  } else {
    ADD_FAILURE() << "not obtained";
  }
  EXPECT_TRUE(is_free("register_user"));
}

TEST_F(Promise, ALeaseThatNeverHeldIsEmpty) {
  dlock::Lease lease;
  EXPECT_FALSE(lease);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.fence(), 0);
  EXPECT_EQ(lease.name(), "");
  EXPECT_EQ(lease.token(), "");
  EXPECT_EQ(lease.valid_for(), 0ms);
  EXPECT_FALSE(lease.lost().stop_possible());
  EXPECT_EQ(reason_of([&] { lease.ensure_held(); }), errc::usage);
  lease.release();
}

TEST_F(Promise, TheEnvironmentNamesTheServer) {
  ::setenv("DLOCK_URL", server.unix_url().c_str(), 1);
  dlock::Client client;
  ::unsetenv("DLOCK_URL");
  EXPECT_EQ(client.url(), server.unix_url());
  dlock::DistributedLock lock{client, "register_user"};
  EXPECT_TRUE(holds("register_user", lock));
}

TEST_F(Promise, AnEmptyUrlIsAMistakeAndNoPrivateServer) {
  EXPECT_EQ(reason_of([] { dlock::Client{""}; }), errc::usage);
  ::setenv("DLOCK_URL", "", 1);
  EXPECT_EQ(reason_of([] { dlock::Client{}; }), errc::usage);
  EXPECT_EQ(dlock::Client{server.unix_url()}.url(), server.unix_url());
  ::unsetenv("DLOCK_URL");
}

TEST_F(Promise, TheEnvironmentCanRequireAUrl) {
  ::unsetenv("DLOCK_URL");
  for (const auto* word : {"1", "yes", "", "maybe"}) {
    ::setenv("DLOCK_REQUIRE_URL", word, 1);
    EXPECT_EQ(reason_of([] { dlock::Client{}; }), errc::usage) << word;
    EXPECT_EQ(dlock::Client{"local:"}.url(), "local:");
  }
  ::setenv("DLOCK_REQUIRE_URL", "0", 1);
  EXPECT_EQ(dlock::Client{}.url(), "local:");
  ::unsetenv("DLOCK_REQUIRE_URL");
}

TEST_F(Promise, WithoutAUrlThereIsAPrivateServer) {
  const LocalDirectory directory;
  ::unsetenv("DLOCK_URL");
  ::setenv("DLOCK_LOCAL_DIR", directory.path().c_str(), 1);
  {
    dlock::Client one;
    dlock::Client two{"local:"};
    EXPECT_EQ(one.url(), "local:");
    dlock::DistributedLock lock{one, "register_user", {.ttl = 30s}};
    EXPECT_NE(directory.server(), 0);
    EXPECT_FALSE((dlock::Mutex{two, "register_user"}.try_acquire()));
  }
  ::unsetenv("DLOCK_LOCAL_DIR");
  EXPECT_EQ(keys(), "");  // it was not this server
}

TEST_F(Promise, ThePrefixIsPartOfTheKeyAndNotOfTheName) {
  dlock::Client client{server.url(), {.prefix = "app:"}};
  dlock::Client plain{server.url()};
  dlock::DistributedLock lock{client, "register_user", {.ttl = 30s}};
  EXPECT_EQ(lock.name(), "register_user");
  EXPECT_TRUE(holds("app:register_user", lock));
  dlock::DistributedLock same_name{plain, "register_user", {.ttl = 30s}};  // another key
  EXPECT_FALSE((dlock::Mutex{plain, "app:register_user"}.try_lock()));
}

TEST_F(Promise, AClientSaysWhoItIs) {
  dlock::Client client{server.url(), {.label = "a \"label\"\n"}};
  dlock::DistributedLock lock{client, "register_user", {.ttl = 30s}};
  const auto id = lock.token().substr(core::token_prefix.size(), 16);
  const auto said = server.command({"GET", core::registration_key(id)});
  EXPECT_THAT(said, HasSubstr("\"pid\":" + std::to_string(::getpid())));
  EXPECT_THAT(said, HasSubstr(R"("label":"a \"label\"\u000a")"));
  EXPECT_GT(std::stoll(server.command({"PTTL", core::registration_key(id)})), 0);
}

}  // namespace

}  // namespace dlock::test
