// The private server starts again after accidents: what no lock needs is not in the way, and what
// one needs is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "local_server/local_fixture.hpp"

namespace dlock::local_server {
namespace {

using namespace std::chrono_literals;
using test::Forked;
using testing::HasSubstr;
namespace fs = std::filesystem;

class LocalRecovery : public LocalServer {
 protected:
  fs::path file(const std::string& end) const {
    for (const auto& entry : fs::directory_iterator{data()}) {
      if (entry.path().string().ends_with(end)) return entry.path();
    }
    throw std::runtime_error("no file " + end);
  }
  fs::path data() const { return fs::path{directory_.path()} / "appendonlydir"; }
  std::string log() const { return read(fs::path{directory_.path()} / "redis.log"); }
  static std::string read(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  static void append(const fs::path& path, const std::string& text) {
    std::ofstream{path, std::ios::binary | std::ios::app} << text;
  }
  int aside() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator{directory_.path()}) {
      count += entry.path().filename().string().starts_with("broken-") ? 1 : 0;
    }
    return count;
  }
  // A server with a lock in it dies.
  void leave_a_lock() {
    EXPECT_EQ(connect(directory_)->call({"SET", "k", "held", "PX", "600000"}, patience).text, "OK");
    directory_.kill_server();
  }
  std::string get() { return connect(directory_)->call({"GET", "k"}, patience).text; }
  void end_server() {
    directory_.kill_server();
    fs::remove_all(directory_.path());
  }
};

TEST_F(LocalRecovery, KeepsTheLocksBeforeABrokenEnd) {
  const std::string ends[] = {std::string(4096, '\0'),
                              "garbage",
                              "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\n",
                              "*2\r\n$x\r\n",
                              "*99999999999999999999\r\n",
                              "*1\r\n$-4\r\nabcd\r\n",
                              "*1\r\n$4294967296\r\nabc\r\n"};
  for (const auto& end : ends) {
    leave_a_lock();
    append(file(".incr.aof"), end);
    EXPECT_EQ(get(), "held") << end;
    EXPECT_EQ(aside(), 0) << end;
    end_server();
  }
}

TEST_F(LocalRecovery, SetsAsideWhatItCannotUse) {
  const std::pair<const char*, std::function<void()>> accidents[] = {
      {"an empty manifest", [&] { fs::resize_file(file(".manifest"), 0); }},
      {"a broken manifest", [&] { append(file(".manifest"), std::string(100, '\0')); }},
      {"a manifest of files that are gone", [&] { fs::remove(file(".incr.aof")); }},
      {"a command that is none", [&] { append(file(".incr.aof"), "*1\r\n$3\r\nFOO\r\n"); }},
      {"another version's base",
       [&] {
         const auto base = file(".base.aof");
         std::ofstream{base} << "REDIS0099";
       }},
      {"a file where its data goes",
       [&] {
         fs::remove_all(data());
         std::ofstream{data()} << "x";
       }},
      {"a directory where its log goes",
       [&] {
         fs::remove(fs::path{directory_.path()} / "redis.log");
         fs::create_directories(fs::path{directory_.path()} / "redis.log/x");
       }},
      {"a directory where its socket goes",
       [&] {
         fs::remove(fs::path{directory_.path()} / "redis.sock");
         fs::create_directories(fs::path{directory_.path()} / "redis.sock/x");
       }},
  };
  for (const auto& [what, happens] : accidents) {
    leave_a_lock();
    happens();
    EXPECT_NO_THROW((void)get()) << what;
    EXPECT_EQ(aside(), 1) << what;
    EXPECT_THAT(log(), HasSubstr("could not start with the data")) << what;
    end_server();
  }
}

TEST_F(LocalRecovery, StartsWithoutAManifest) {
  leave_a_lock();
  fs::remove(file(".manifest"));
  EXPECT_NO_THROW((void)get());
}

TEST_F(LocalRecovery, StartsBesideFilesOfOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  leave_a_lock();
  Forked user{[&] {
    fs::permissions(directory_.root(), fs::perms::all);
    if (::chown(directory_.path().c_str(), 65534, 65534) != 0) return 2;
    for (const auto& entry : fs::recursive_directory_iterator{directory_.path()}) {
      ::chmod(entry.path().c_str(), entry.is_directory() ? 0700 : 0600);
    }
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 3;
    const auto setting = connect(directory_)->call({"CONFIG", "GET", "appendonly"}, patience);
    return aside() == 2 && setting.elements.at(1).text == "yes" ? 0
                                                                : 1;  // a directory and the rest
  }};
  EXPECT_EQ(user.wait(), 0);
}

TEST_F(LocalRecovery, KeepsAFewOfWhatWasSetAside) {
  for (int i = 0; i < 5; ++i) {
    leave_a_lock();
    fs::resize_file(file(".manifest"), 0);
    EXPECT_NO_THROW((void)get());
    directory_.kill_server();
  }
  EXPECT_EQ(aside(), 3);
}

TEST_F(LocalRecovery, LeavesDataAloneThatIsNotToBlame) {
  leave_a_lock();
  const auto before = read(file(".incr.aof"));
  const auto log_before = log();
  EXPECT_THAT(failure_with_program(write_program("#!/bin/sh\nexit 1\n")),
              HasSubstr("ended at its start"));
  EXPECT_EQ(read(file(".incr.aof")), before) << "with no data it ends just so";
  EXPECT_EQ(aside(), 0);
  for (const auto* end : {"kill -9 $$", "kill -TERM $$", "exit 127", "exit 0"}) {
    const auto program = write_program(std::string{"#!/bin/sh\n"} + end + "\n");
    EXPECT_THAT(failure_with_program(program), HasSubstr("ended at its start")) << end;
    EXPECT_EQ(aside(), 0) << end;
  }
  EXPECT_EQ(get(), "held");
}

TEST_F(LocalRecovery, TriesAgainWhenTheServerIsKilledAsItStarts) {
  const auto program = write_program(
      "#!/bin/sh\nif mkdir once || mkdir twice; then kill -9 $$; fi\n"
      "exec redis-server \"$@\"\n");
  leave_a_lock();
  EXPECT_EQ(failure_with_program(program), "");
  EXPECT_EQ(get(), "held");
}

TEST_F(LocalRecovery, WritesDataThatOtherVersionsRead) {
  leave_a_lock();
  EXPECT_EQ(get(), "held");
  EXPECT_EQ(connect(directory_)->call({"BGREWRITEAOF"}, patience).kind,
            redis::ReplyView::Kind::text);
  EXPECT_TRUE(
      test::eventually([&] { return read(file(".base.aof")).find("held") != std::string::npos; }));
  for (const auto& entry : fs::directory_iterator{data()}) {
    EXPECT_FALSE(read(entry.path()).starts_with("REDIS")) << entry.path();
  }
}

TEST_F(LocalRecovery, WorksOnAFullDisk) {
  const auto on_full_disk = [&](bool has_data) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", directory_.root().c_str(), "tmpfs", 0, "size=256k") != 0) {
      return 77;
    }
    if (has_data) leave_a_lock();
    fs::create_directory(directory_.path());
    fs::permissions(directory_.path(), fs::perms::owner_all);
    std::ofstream{directory_.root() / "all"} << std::string(1'000'000, 'x') << std::flush;
    const auto connection = connect(directory_);
    for (int i = 0; i < 100; ++i) {  // more than fits into what is left of a page
      if (connection->call({"SET", "n", std::string(100, 'n')}, patience).text != "OK") return 1;
    }
    if (has_data && get() != "held") return 2;
    const bool set_aside = aside() > 0;
    directory_.kill_server();
    return has_data && set_aside ? 3 : 0;
  };
  for (const bool has_data : {false, true}) {
    Forked user{[&] { return on_full_disk(has_data); }};
    const int status = user.wait();
    if (status == 77) GTEST_SKIP() << "no file systems can be mounted here";
    EXPECT_EQ(status, 0) << has_data;
  }
}

}  // namespace
}  // namespace dlock::local_server
