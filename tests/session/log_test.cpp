// The log sink: what it is told, from where, and what nobody is ever told.
#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

/// Collects reports. Thread-safe.
class Journal {
 public:
  [[nodiscard]] LogSink sink() {
    return [this](LogLevel level, std::string_view text) {
      EXPECT_EQ(inside_.fetch_add(1), 0) << "one call at a time";
      const std::lock_guard lock{mutex_};
      lines_.emplace_back(std::to_string(static_cast<int>(level)) + " " + std::string{text});
      threads_.push_back(std::this_thread::get_id());
      inside_.fetch_sub(1);
    };
  }
  [[nodiscard]] bool says(std::string_view words) const {
    return all().find(words) != std::string::npos;
  }
  [[nodiscard]] std::string all() const {
    const std::lock_guard lock{mutex_};
    std::string text;
    for (const auto& line : lines_) text += line + "\n";
    return text;
  }
  [[nodiscard]] bool came_from(std::thread::id thread) const {
    const std::lock_guard lock{mutex_};
    return std::ranges::find(threads_, thread) != threads_.end();
  }

 private:
  mutable std::mutex mutex_;
  std::atomic<int> inside_{0};
  std::vector<std::string> lines_;
  std::vector<std::thread::id> threads_;
};

class Log : public ClientTest {
 protected:
  Journal journal;
};

TEST_F(Log, ALossIsReported) {
  Client client{server.url(), {.log = journal.sink()}};
  const DistributedLock lock{client, "payroll", {.ttl = 300ms}};
  server.command({"DEL", "payroll"});
  EXPECT_TRUE(eventually([&] { return journal.says("lock lost: payroll"); })) << journal.all();
  EXPECT_THAT(journal.all(), StartsWith(std::to_string(static_cast<int>(LogLevel::warning))));
  EXPECT_FALSE(journal.came_from(std::this_thread::get_id()));
}

TEST_F(Log, AConnectionThatBreaksIsReported) {
  Client client{server.url(), {.log = journal.sink()}};
  const DistributedLock lock{client, "m", {.ttl = 30s}};
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  EXPECT_TRUE(eventually([&] { return journal.says("connection lost"); }));
  lock.ensure_held();
  EXPECT_TRUE(eventually([&] { return client.stats().reconnects == 1; }));
}

TEST_F(Log, AnOrdinaryLifeIsQuiet) {
  {
    Client client{server.url(), {.log = journal.sink()}};
    Client there{server.url(), {.log = journal.sink()}};
    auto wait = std::async(std::launch::async, [&] {
      for (int i = 0; i < 50; ++i) (void)DistributedLock{there, "m"};
    });
    for (int i = 0; i < 50; ++i) (void)DistributedLock{client, "m"};
    wait.get();
    EXPECT_FALSE((Mutex{client, "m"}.try_acquire_for(1ms) && false));
  }
  EXPECT_EQ(journal.all(), "");
}

TEST_F(Log, AReleaseThatCameTooLateIsReportedByTheDestructor) {
  Client client{server.url(), {.log = journal.sink()}};
  {
    const DistributedLock lock{client, "payroll"};
    server.command({"DEL", "payroll"});
  }
  EXPECT_TRUE(eventually([&] { return journal.says("released too late"); }));
  EXPECT_TRUE(journal.says("payroll"));
}

TEST_F(Log, AfterTheLastHandleNothingIsReported) {
  auto own = std::make_unique<Journal>();
  {
    Client client{server.url(), {.request_timeout = 100ms, .log = own->sink()}};
    const DistributedLock lock{client, "m"};
    server.kill9();
  }
  const auto lines = own->all();
  own.reset();  // a later call would be a use after free
  server.restart();
}

TEST_F(Log, ASlowSinkHoldsUpNobody) {
  std::atomic<bool> may_end{false};
  const auto slow = [&](LogLevel, std::string_view) {
    (void)eventually([&] { return may_end.load(); }, 20s);
  };
  Client client{server.url(), {.log = slow}};
  const DistributedLock kept{client, "kept", {.ttl = 300ms}};
  const DistributedLock gone{client, "gone", {.ttl = 300ms}};
  server.command({"DEL", "gone"});
  ASSERT_TRUE(eventually([&] { return client.stats().lost == 1; }));
  const auto renewals = client.stats().renewals;
  {
    const DistributedLock more{client, "more"};
  }
  EXPECT_TRUE(eventually([&] { return client.stats().renewals >= renewals + 4; }));
  kept.ensure_held();
  may_end = true;
}

TEST_F(Log, APasswordIsInNoMessageAndNoReport) {
  constexpr auto secret = "s3cret%21pass";  // written percent-encoded in the URL
  const auto is_told = [](std::string_view text) {
    return text.find("s3cret") != text.npos || text.find("pass!") != text.npos;
  };
  server.command({"ACL", "SETUSER", "u", "on", ">s3cret!pass", "~*", "&*", "+@all"});
  const auto with_secret = [&](std::string url) {
    return url.insert(url.find("//") + 2, std::string{"u:"} + secret + "@");
  };
  std::string told;
  const auto attempt = [&](const std::string& url) {
    told +=
        words_of([&] {
          Client client{url, {.request_timeout = 100ms, .patience = 100ms, .log = journal.sink()}};
          told += client.url();
          auto lease = Mutex{client, "m", {.ttl = 100ms}}.acquire();
          server.command({"DEL", "m"});
          server.command({"CLIENT", "KILL", "USER", "u"});
          (void)eventually([&] { return !lease.held(); });
          told += server.command({"CLIENT", "LIST"}) + keys();
          lease.ensure_held();
        }) +
        "\n";
  };
  attempt(with_secret(server.url()));
  EXPECT_THAT(told, HasSubstr("was lost"));
  attempt(with_secret("redis://127.0.0.1:1"));
  attempt(with_secret("redis://127.0.0.1:1x"));
  attempt(with_secret("redis://127.0.0.1:1/x"));
  attempt(with_secret("http://127.0.0.1"));
  attempt(with_secret("redis://no host"));
  server.command({"ACL", "SETUSER", "u", "-evalsha"});
  attempt(with_secret(server.url()));
  server.command({"ACL", "SETUSER", "u", "resetpass", ">other"});
  attempt(with_secret(server.url()));
  EXPECT_FALSE(is_told(told)) << told;
  EXPECT_FALSE(is_told(journal.all())) << journal.all();
  EXPECT_THAT(told, HasSubstr("no connection"));
  EXPECT_THAT(told, HasSubstr("refused"));
  server.command({"FLUSHALL"});
}

}  // namespace

}  // namespace dlock::test
