// The private server: one for all, whoever races; replaced when it dies; safe or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "local_server/local_fixture.hpp"

namespace dlock::local_server {
namespace {

using namespace std::chrono_literals;
using test::Forked;
using test::Gate;
using testing::HasSubstr;

std::string setting(redis::Connection& connection, std::string_view name) {
  return connection.call({"CONFIG", "GET", name}, patience).elements.at(1).text;
}

TEST_F(LocalServer, IsStartedWithTheSettingsThatLocksNeed) {
  const auto connection = connect(directory_);
  EXPECT_EQ(setting(*connection, "port"), "0");
  EXPECT_EQ(setting(*connection, "appendonly"), "yes");
  EXPECT_EQ(setting(*connection, "appendfsync"), "no");
  EXPECT_EQ(setting(*connection, "save"), "");
  EXPECT_EQ(setting(*connection, "maxmemory-policy"), "noeviction");
  EXPECT_EQ(setting(*connection, "dir"), directory_.path());
}

TEST_F(LocalServer, IsOpenToThisUserAlone) {
  const auto socket = ensure();
  struct stat status{};
  ASSERT_EQ(::stat(socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  for (const auto& entry : std::filesystem::recursive_directory_iterator{directory_.path()}) {
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0U) << entry.path();
  }
}

TEST_F(LocalServer, IsUsedAgain) {
  const auto socket = ensure();
  const auto server = directory_.server();
  EXPECT_NE(server, 0);
  EXPECT_EQ(ensure(), socket);
  EXPECT_EQ(directory_.server(), server);
}

TEST_F(LocalServer, IsOneForManyProcessesThatRace) {
  constexpr int count = 32;
  Gate gate;
  std::vector<Forked> children;
  for (int i = 0; i < count; ++i) {
    children.emplace_back([&] {
      gate.wait();
      const auto reply = connect(directory_)->call({"INCR", "n"}, patience);
      return reply.kind == redis::ReplyView::Kind::text ? 0 : 1;
    });
  }
  gate.open();
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_NE(directory_.server(), 0);
  EXPECT_EQ(connect(directory_)->call({"GET", "n"}, patience).text, std::to_string(count));
}

TEST_F(LocalServer, IsOneForManyThreadsThatRace) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_NO_THROW((void)connect(directory_)); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_NE(directory_.server(), 0);
}

TEST_F(LocalServer, IsReplacedWhenItWasKilledAndKnowsItsLocksAgain) {
  const auto first = connect(directory_);
  EXPECT_EQ(first->call({"SET", "k", "held", "NX", "PX", "600000"}, patience).text, "OK");
  const auto killed = directory_.server();
  directory_.kill_server();
  const auto second = connect(directory_);
  EXPECT_EQ(second->call({"GET", "k"}, patience).text, "held");
  EXPECT_GT(std::stol(second->call({"PTTL", "k"}, patience).text), 500'000);
  EXPECT_NE(directory_.server(), 0);
  EXPECT_NE(directory_.server(), killed);
}

TEST_F(LocalServer, IsReplacedWhenItDiesAsSomebodyLogsIn) {
  // One that takes connections, and is gone at the first words of a log-in.
  std::filesystem::create_directory(directory_.path());
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::owner_all);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_.path() + "/redis.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  std::thread dying{[listener] {
    char word = 0;
    int connection = -1;
    do {
      ::close(connection);
      connection = ::accept(listener, nullptr, nullptr);
    } while (::recv(connection, &word, 1, 0) != 1);
    ::close(listener);
    ::close(connection);
  }};
  EXPECT_NO_THROW((void)connect(directory_));
  dying.join();
  EXPECT_NE(directory_.server(), 0);
}

TEST_F(LocalServer, LosesNoAnsweredWriteAndStaysOneWhileItIsKilledUnderLoad) {
  constexpr int count = 8;
  struct Shared {  // with the children
    std::atomic<bool> stop;
    std::atomic<int> answered[count];
  };
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& shared = *new (memory) Shared{};
  std::vector<Forked> children;
  for (int i = 0; i < count; ++i) {
    children.emplace_back([&, i] {
      const auto key = "n" + std::to_string(i);
      while (!shared.stop) {
        try {
          const auto reply = connect(directory_)->call({"INCR", key}, patience);
          if (reply.kind == redis::ReplyView::Kind::text) ++shared.answered[i];
        } catch (const Unreachable&) {  // killed under us
        }
      }
      return 0;
    });
  }
  pid_t killed = 0;
  for (int kills = 0; kills < 5; ++kills) {
    const int before = shared.answered[0];
    pid_t server = 0;
    ASSERT_TRUE(test::eventually([&] {
      server = directory_.server();
      return server != 0 && server != killed && shared.answered[0] > before;
    }));
    ::kill(server, SIGKILL);
    killed = server;
  }
  shared.stop = true;
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  const auto connection = connect(directory_);
  EXPECT_NE(directory_.server(), 0);
  for (int i = 0; i < count; ++i) {
    const auto value = connection->call({"GET", "n" + std::to_string(i)}, patience).text;
    EXPECT_GT(shared.answered[i], 0);
    EXPECT_GE(std::stoi(value), shared.answered[i]);
  }
  ::munmap(memory, sizeof(Shared));
}

TEST_F(LocalServer, IsOneEvenWhenItsStarterIsKilledHalfWay) {
  for (int i = 0; i < 20; ++i) {
    const test::LocalDirectory directory;
    Forked starter{[&] {
      (void)ensure_local_server(directory.path(), patience);
      return 0;
    }};
    // Each round a little later on its way.
    const auto end = std::chrono::steady_clock::now() + i * 500us;
    while (std::chrono::steady_clock::now() < end) {
    }
    ::kill(starter.pid(), SIGKILL);
    (void)starter.wait();
    EXPECT_NO_THROW((void)connect(directory)) << i;
    EXPECT_NE(directory.server(), 0) << i;
  }
}

TEST_F(LocalServer, WorksInADirectoryWithALongPath) {
  auto deep = directory_.root();
  for (int i = 0; i < 5; ++i) deep /= std::string(100, 'd');
  std::filesystem::create_directories(deep);
  const auto url = "local:" + (deep / "s").string();
  const auto connection = connect_local(url);
  EXPECT_EQ(connection->call({"PING"}, patience).text, "PONG");
  EXPECT_NO_THROW((void)connect_local(url + "/"));
  EXPECT_NE(directory_.server(), 0);
}

TEST_F(LocalServer, RefusesAnUnsafeDirectory) {
  const auto path = directory_.path();
  std::filesystem::create_directory(path);
  ::chmod(path.c_str(), 0750);
  EXPECT_THAT(failure(), testing::AllOf(HasSubstr("0700"), HasSubstr(path)));
  ::chmod(path.c_str(), 0702);
  EXPECT_THAT(failure(), HasSubstr("0700"));
  if (::geteuid() == 0) {
    ::chmod(path.c_str(), 0700);
    ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
    EXPECT_THAT(failure(), HasSubstr("another user"));
  }
  std::filesystem::remove(path);
  std::filesystem::create_directory(directory_.root() / "real");
  ::chmod((directory_.root() / "real").c_str(), 0700);
  std::filesystem::create_directory_symlink(directory_.root() / "real", path);
  EXPECT_THAT(failure(), HasSubstr("symbolic link"));
  EXPECT_THROW((void)ensure_local_server(path + "/", patience), Unreachable);
  std::filesystem::remove(path);
  std::ofstream{path} << "x";
  EXPECT_THAT(failure(), HasSubstr("not a directory"));
  EXPECT_TRUE(directory_.processes().empty());
}

TEST_F(LocalServer, RefusesADirectoryThatCannotBeMade) {
  try {
    (void)ensure_local_server(directory_.path() + "/not/there", patience);
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be created"));
  }
}

TEST_F(LocalServer, DoesNotUseARunningServerInAnUnsafeDirectory) {
  (void)ensure();
  ::chmod(directory_.path().c_str(), 0777);
  EXPECT_THAT(failure(), HasSubstr("0700"));
}

TEST_F(LocalServer, SaysWhyItsProgramCannotBeStarted) {
  EXPECT_THAT(failure_with_program("/no/such/program"),
              testing::AllOf(HasSubstr("DLOCK_REDIS_SERVER"), HasSubstr("/no/such/program")));
  EXPECT_THAT(failure_with_program("redis-server"), HasSubstr("absolute path"));
  EXPECT_THAT(failure_with_program(write_program("no program")), HasSubstr("Exec format error"));
}

TEST_F(LocalServer, ShowsTheEndOfTheLogOfAServerThatEnds) {
  const auto program =
      write_program("#!/bin/sh\nseq 1000 > redis.log; echo no luck >> redis.log\n");
  const auto what = failure_with_program(program);
  EXPECT_THAT(what, testing::AllOf(HasSubstr("ended at its start"), HasSubstr("\n1000\nno luck")));
  EXPECT_LT(what.size(), 1500U);
  std::istringstream shown{what.substr(what.find("log:\n") + 5)};
  int first = 0;
  int second = 0;
  shown >> first >> second;
  EXPECT_EQ(second, first + 1) << "whole lines";
  EXPECT_NO_THROW((void)ensure()) << "the next attempt starts afresh";
}

TEST_F(LocalServer, GivesUpInTimeOnAServerThatDoesNotAnswer) {
  const auto program = write_program("#!/bin/sh\necho $$ > redis.pid\nexec sleep 1000\n");
  EXPECT_THAT(failure_with_program(program, 500ms), HasSubstr("does not answer in time"));
  EXPECT_EQ(directory_.processes().size(), 1U) << "it kills nothing";
  const auto what = failure(100ms);
  EXPECT_THAT(what, HasSubstr("pid " + std::to_string(directory_.server())));
  EXPECT_EQ(directory_.processes().size(), 1U) << "it starts no second one";
}

TEST_F(LocalServer, StartsNoSecondOneWhenTheSocketIsGone) {
  const auto socket = ensure();
  const auto server = directory_.server();
  std::filesystem::remove(socket);
  EXPECT_THAT(failure(100ms), HasSubstr("pid " + std::to_string(server)));
  EXPECT_EQ(directory_.server(), server);
}

}  // namespace
}  // namespace dlock::local_server
