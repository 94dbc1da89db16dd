// Names: any bytes, of any length up to 512 KiB, each a lock of its own.
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Names : public ClientTest {
 protected:
  Client here{server.url()};
  Client there{server.url()};

  void TearDown() override {
    here = Client{"redis://localhost"};  // ends the former ones, before the server is looked at
    there = Client{"redis://localhost"};
    ClientTest::TearDown();
  }

  /// All that a name goes through: taken, tried, waited for, granted, given back.
  void expect_to_work(const std::string& name) {
    std::optional<Lease> held{Mutex{here, name}.acquire()};
    EXPECT_EQ(held->name(), name);
    EXPECT_TRUE(holds(name, *held));
    EXPECT_FALSE((Mutex{there, name}.try_lock()));
    auto next = std::async(std::launch::async, [&] { return Mutex{there, name}.acquire(); });
    ASSERT_TRUE(come_to_wait(name, 1));
    held.reset();
    EXPECT_TRUE(holds(name, next.get()));
    EXPECT_TRUE(is_free(name));
  }
};

TEST_F(Names, EveryByteIsAName) {
  for (int byte = 0; byte < 256; ++byte) {
    expect_to_work(std::string(1, static_cast<char>(byte)));
    ASSERT_FALSE(HasFailure()) << "byte " << byte;
  }
}

TEST_F(Names, OddNamesWork) {
  const std::vector<std::string> names{
      " ",
      "with spaces and\nnewlines\r\n",
      std::string{"zero\0inside", 11},
      "{tag}",
      "a{tag}b",
      "{}",
      "{}{tag}",
      "}",
      "}{",
      "foo}bar",
      "foo{bar",
      "{a}{b}",
      "~",
      "*?[a-z]",
      "%s%n%d",
      "Gr\xc3\xbc\xc3\x9f"
      "e \xf0\x9f\x94\x92",
      "\xff\xfe not UTF-8 \x80",
      "$-1\r\n*3\r\n",
      "\"quoted\" 'twice' \\",
      "dlock",
      "dlock1",
      "xdlock1:fence",
  };
  for (const auto& name : names) {
    expect_to_work(name);
    ASSERT_FALSE(HasFailure()) << testing::PrintToString(name);
  }
}

TEST_F(Names, AllOfThemAreDifferentLocks) {
  const std::vector<std::string> names{"{", "}", "{}", "a", "{a}", "a ", "A", std::string(1, 0)};
  std::vector<Lease> leases;
  for (const auto& name : names) {
    auto lease = Mutex{here, name}.try_acquire();
    ASSERT_TRUE(lease) << testing::PrintToString(name);
    leases.push_back(std::move(*lease));
  }
  for (const auto& name : names) EXPECT_FALSE((Mutex{there, name}.try_acquire()));
}

TEST_F(Names, TheLongestNameWorksAndALongerOneIsRefused) {
  const std::string longest(512 * 1024, 'n');
  expect_to_work(longest);
  expect_to_work(std::string(512 * 1024, '}'));
  const auto longer = [&] { const Mutex mutex{here, longest + "n"}; };
  EXPECT_EQ(reason_of(longer), errc::usage);
  EXPECT_THAT(words_of(longer), HasSubstr("512 KiB"));
  EXPECT_LT(words_of(longer).size(), 500U) << "without the name";
  EXPECT_EQ(reason_of([&] { const RecursiveMutex mutex{here, longest + "n"}; }), errc::usage);
  Client prefixed{server.url(), {.prefix = "p"}};
  EXPECT_EQ(reason_of([&] { const Mutex mutex{prefixed, longest}; }), errc::usage);
  const DistributedLock just_fits{prefixed, longest.substr(1)};
}

TEST_F(Names, AnEmptyOneIsRefusedByAllThatHaveNames) {
  Client prefixed{server.url(), {.prefix = "p:"}};
  for (auto* client : {&here, &prefixed}) {
    const std::vector<std::function<void()>> all{
        [&] { const Mutex mutex{*client, ""}; },
        [&] { const RecursiveMutex mutex{*client, ""}; },
        [&] { const SharedMutex mutex{*client, ""}; },
        [&] { const Semaphore semaphore{*client, "", 2}; },
        [&] { const DistributedLock lock{*client, ""}; },
        [&] { (void)acquire_all(*client, {"a", ""}); },
        [&] { (void)begin_once(*client, ""); },
        [&] { const Election election{*client, ""}; },
        [&] { const Latch latch{*client, "", 1}; },
        [&] { const Barrier barrier{*client, "", 2}; },
        [&] { const ConditionVariable condition{*client, ""}; },
        [&] { (void)inspect_lock(*client, ""); },
        [&] { (void)inspect_latch(*client, ""); },
        [&] { (void)break_lock(*client, "", 1); },
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(reason_of(all[i]), errc::usage) << i;
      EXPECT_THAT(words_of(all[i]), HasSubstr("name must not be empty")) << i;
    }
  }
}

TEST_F(Names, KeysOfTheLibraryAreRefused) {
  for (const std::string name : {"dlock1:fence", "dlock1:q:x", "dlock1:client:0123456789abcdef"}) {
    const auto lock = [&] { (void)DistributedLock{here, name, {.wait = 0ms}}; };
    EXPECT_EQ(reason_of(lock), errc::usage) << name;
    EXPECT_THAT(words_of(lock), HasSubstr("dlock1:")) << name;
  }
  Client prefixed{server.url(), {.prefix = "dlock1:"}};
  EXPECT_EQ(reason_of([&] { (void)DistributedLock{prefixed, "fence", {.wait = 0ms}}; }),
            errc::usage);
  expect_to_work("still working");
}

TEST_F(Names, ErrorsHaveTheNameWithoutThePrefixAndTheKeyWithIt) {
  Client prefixed{server.url(), {.prefix = "p:"}};
  Mutex mutex{prefixed, "m"};
  const auto lease = mutex.acquire();
  EXPECT_THAT(words_of([&] { (void)DistributedLock{prefixed, "m", {.wait = 0ms}}; }),
              HasSubstr("the lock \"m\""));
  ASSERT_EQ(break_lock(prefixed, "m", lease.fence()), BreakOutcome::broken);
  EXPECT_THAT(words_of([&] { lease.ensure_held(); }), HasSubstr("the lock \"m\" (fence "));
  const auto permit = Semaphore{prefixed, "s", 2}.acquire();
  EXPECT_THAT(words_of([&] { (void)Semaphore{prefixed, "s", 3}.acquire(); }),
              HasSubstr("the semaphore at the key \"p:s\" has 2 permits"));
  EXPECT_THAT(words_of([&] { (void)SharedMutex{prefixed, "s"}.reader().acquire(); }),
              HasSubstr("the key \"p:s\" is in use as a semaphore"));
}

TEST_F(Names, DatabasesOfOneServerAreApart) {
  Client other{server.url() + "/1"};
  const DistributedLock lock{here, "m"};
  auto same = Mutex{other, "m"}.try_acquire();
  ASSERT_TRUE(same);
  EXPECT_FALSE((Mutex{there, "m"}.try_lock()));
  Client waits{server.url() + "/1"};
  auto next = std::async(std::launch::async, [&] { return Mutex{waits, "m"}.acquire().fence(); });
  same.reset();
  EXPECT_GT(next.get(), 0);
}

}  // namespace

}  // namespace dlock::test
