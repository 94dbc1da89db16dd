// Key: copies share one text, which goes with the last of them.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/wire/keys.hpp"

namespace dlock::core {
namespace {

TEST(Key, HasTheKeysOfItsLock) {
  for (const std::string name : {"job", "{user}:job", "a}b", "}", "{}", "", "q", "dlock1:q"}) {
    const Key key{name};
    EXPECT_EQ(key.text(), name);
    const auto keys = key.all();
    EXPECT_EQ(keys.lock, name);
    EXPECT_EQ(keys.queue, key.queue());
    EXPECT_EQ(key_of_queue(key.queue()).value_or("none"),
              name.starts_with("dlock1:") ? "none" : name);
    auto seen = keys.seen;
    EXPECT_EQ(std::exchange(seen[7], 'q'), 's');
    EXPECT_EQ(seen, keys.queue);
  }
}

TEST(Key, CopiesShareTheText) {
  Key key{"job"};
  const Key copy{key};
  EXPECT_EQ(copy.text().data(), key.text().data());
  const std::string_view text = key.text();
  key = Key{"other"};
  EXPECT_EQ(copy, "job");
  EXPECT_EQ(copy.text().data(), text.data());
  key = copy;
  const auto& same = key;
  key = same;
  EXPECT_EQ(key, copy);
  Key moved{std::move(key)};
  EXPECT_EQ(moved, "job");
  moved = Key{};
  EXPECT_EQ(moved, "");
  EXPECT_EQ(Key{}, moved);
  EXPECT_EQ(copy, "job");
}

TEST(Key, KeysOfOneTextAreEqual) {
  EXPECT_EQ(Key{"job"}, Key{"job"});
  EXPECT_NE(Key{"job"}, Key{"jobs"});
  EXPECT_EQ(Key{""}, Key{});
}

// The sanitizers look on.
TEST(Key, ThreadsMayCopyAndDropOneKey) {
  const Key key{"a name that is too long for a short string"};
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([copy = key] {
      for (int i = 0; i < 10'000; ++i) {
        const Key another{copy};
        ASSERT_EQ(another.text().size(), 42U);
      }
    });
  }
}

}  // namespace
}  // namespace dlock::core
