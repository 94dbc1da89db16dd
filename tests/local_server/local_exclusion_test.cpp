// One private server for a user, whatever becomes of its directory and whoever sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>

#include "local_server/local_fixture.hpp"
#include "redis/dial.hpp"
#include "runtime/descriptor.hpp"

namespace dlock::local_server {
namespace {

using namespace std::chrono_literals;
using test::Forked;
using testing::HasSubstr;
namespace fs = std::filesystem;

class LocalExclusion : public LocalServer {
 protected:
  void set(redis::Connection& connection, const std::string& value) {
    EXPECT_EQ(connection.call({"SET", "k", value}, patience).text, "OK");
  }
  std::string get() { return connect(directory_)->call({"GET", "k"}, patience).text; }
  void make(const std::string& path) {
    fs::create_directory(path);
    fs::permissions(path, fs::perms::owner_all);
  }
};

TEST_F(LocalExclusion, HoldsWhateverBecomesOfTheDirectoryOfAHolder) {
  const auto path = directory_.path();
  const std::pair<const char*, std::function<void()>> accidents[] = {
      {"removed", [&] { fs::remove_all(path); }},
      {"removed and made again",
       [&] {
         fs::remove_all(path);
         make(path);
       }},
      {"renamed", [&] { fs::rename(path, path + "-old"); }},
      {"replaced",
       [&] {
         make(path + "-new");
         fs::rename(path, path + "-old");
         fs::rename(path + "-new", path);
       }},
      {"without a socket", [&] { fs::remove(path + "/redis.sock"); }},
      {"empty",
       [&] {
         for (const auto& entry : fs::directory_iterator{path}) fs::remove_all(entry);
       }},
      {"with another socket",
       [&] {
         fs::remove(path + "/redis.sock");
         std::ofstream{path + "/redis.sock"} << "x";
       }},
  };
  for (const auto& [what, happens] : accidents) {
    const auto holder = connect(directory_);
    set(*holder, what);
    const auto servers = directory_.processes();
    ASSERT_EQ(servers.size(), 1U) << what;
    happens();
    const auto second = connect(directory_);
    EXPECT_EQ(second->call({"GET", "k"}, patience).text, what) << "the same server";
    EXPECT_EQ(get(), what) << "for a third one, through either";
    EXPECT_EQ(holder->call({"GET", "k"}, patience).text, what) << "the holder goes on";
    ::kill(servers[0], SIGKILL);
    ASSERT_TRUE(test::eventually([&] { return directory_.processes().empty(); }));
    fs::remove_all(path);
    fs::remove_all(path + "-old");
  }
}

TEST_F(LocalExclusion, ReplacesAServerThatNobodyCanReachAndNobodyUses) {
  const auto path = directory_.path();
  for (const auto& accident : std::initializer_list<std::function<void()>>{
           [&] { fs::remove_all(path); }, [&] { fs::remove(path + "/redis.sock"); }}) {
    (void)ensure();
    const auto former = directory_.processes();
    ASSERT_EQ(former.size(), 1U);
    accident();
    EXPECT_NO_THROW((void)connect(directory_));
    const auto now = directory_.processes();
    ASSERT_EQ(now.size(), 1U);
    EXPECT_NE(now, former);
  }
}

TEST_F(LocalExclusion, StartsNoSecondServerBesideOneThatIsUsedAndCannotBeReached) {
  // A client of another kind, which keeps no hold on the socket.
  const int client = redis::dial_unix(ensure(), std::chrono::steady_clock::now() + patience);
  ASSERT_EQ(::send(client, "PING\r\n", 6, 0), 6);
  ASSERT_TRUE(runtime::wait_for(client, POLLIN, std::chrono::steady_clock::now() + patience));
  const auto server = directory_.server();
  fs::remove_all(directory_.path());
  EXPECT_THAT(failure(500ms), HasSubstr("pid " + std::to_string(server)));
  EXPECT_EQ(directory_.processes(), std::vector{server});
  ::close(client);
  EXPECT_NO_THROW((void)connect(directory_));
  EXPECT_NE(directory_.processes(), std::vector{server});
}

TEST_F(LocalExclusion, HoldsForAProcessThatSeesAnotherDirectoryThere) {
  const auto holder = connect(directory_);
  set(*holder, "held");
  Forked service{[&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", directory_.root().c_str(), "tmpfs", 0, nullptr) != 0) {
      return 77;
    }
    return get() == "held" ? 0 : 1;
  }};
  const int status = service.wait();
  if (status == 77) GTEST_SKIP() << "no file systems can be mounted here";
  EXPECT_EQ(status, 0);
  EXPECT_NE(directory_.server(), 0);
}

TEST_F(LocalExclusion, HoldsForAllSpellingsOfTheDirectory) {
  const auto holder = connect(directory_);
  set(*holder, "held");
  fs::create_directory_symlink(directory_.root(), directory_.root() / "link");
  fs::remove_all(directory_.path());
  const auto other = "local:" + (directory_.root() / "link" / "." / "dlock").string();
  const auto connection = connect_local(other);
  EXPECT_EQ(connection->call({"GET", "k"}, patience).text, "held");
}

TEST_F(LocalExclusion, HoldsAmongManyProcessesThatStartAsTheDirectoryGoes) {
  const auto holder = connect(directory_);
  set(*holder, "0");
  const auto server = directory_.processes();
  test::Gate gate;
  std::vector<Forked> children;
  for (int i = 0; i < 12; ++i) {
    children.emplace_back([&] {
      gate.wait();
      return connect(directory_)->call({"INCR", "k"}, patience).kind == redis::ReplyView::Kind::text
                 ? 0
                 : 1;
    });
  }
  gate.open();
  std::error_code error;
  do {  // they put files into it
    fs::remove_all(directory_.path(), error);
  } while (error);
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(holder->call({"GET", "k"}, patience).text, "12");
  EXPECT_EQ(directory_.processes(), server);
}

TEST_F(LocalExclusion, IsSeenByThoseWhoCleanUp) {
  const auto connection = connect(directory_);
  std::ifstream sockets{"/proc/net/unix"};
  EXPECT_THAT((std::string{std::istreambuf_iterator<char>{sockets}, {}}),
              HasSubstr(" " + directory_.path() + "/redis.sock\n"));
  const runtime::Descriptor folder{
      ::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  EXPECT_NE(::flock(folder.get(), LOCK_SH | LOCK_NB), 0) << "they lock what they look into";
  if (std::system("command -v systemd-tmpfiles >/dev/null") != 0) return;
  const auto list = (directory_.root() / "list").string();
  std::ofstream{list} << "e " << directory_.root().string() << " - - - 0\n";
  (void)std::system(("systemd-tmpfiles --clean " + list).c_str());
  EXPECT_TRUE(fs::exists(directory_.path() + "/redis.sock"));
  EXPECT_TRUE(fs::exists(directory_.path() + "/appendonlydir"));
  EXPECT_FALSE(fs::exists(list)) << "it did clean up";
}

}  // namespace
}  // namespace dlock::local_server
