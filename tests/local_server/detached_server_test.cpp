// The private server as a process: free of whoever started it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>
#include <sstream>

#include "local_server/local_fixture.hpp"

namespace dlock::local_server {
namespace {

using namespace std::chrono_literals;
using test::Forked;

class DetachedServer : public LocalServer {};

TEST_F(DetachedServer, SurvivesItsStarterAndTheProcessGroup) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  Forked starter{[&] {
    ::setpgid(0, 0);
    const auto connection = connect(directory_);
    (void)!::write(ready[1], "r", 1);
    ::pause();
    return 0;
  }};
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  const auto server = directory_.server();
  ASSERT_NE(server, 0);
  EXPECT_EQ(::getsid(server), ::getpgid(server));
  EXPECT_NE(::getsid(server), ::getsid(0));
  EXPECT_NE(::getpgid(server), starter.pid());
  ::kill(-starter.pid(), SIGKILL);
  EXPECT_EQ(starter.wait(), 128 + SIGKILL);
  EXPECT_EQ(connect(directory_)->call({"PING"}, patience).text, "PONG");
  EXPECT_EQ(directory_.server(), server);
}

TEST_F(DetachedServer, HoldsNoDescriptorOfItsStarter) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  Forked starter{[&] {
    for (int fd = 3; fd < 40; fd += 3) ::fcntl(pipe[1], F_DUPFD, fd);  // all kept over exec
    ::dup2(pipe[1], 0);
    ::dup2(pipe[1], 1);
    ::dup2(pipe[1], 2);
    (void)connect(directory_);
    return 0;
  }};
  ::close(pipe[1]);
  EXPECT_EQ(starter.wait(), 0);
  ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  std::string said;
  EXPECT_TRUE(test::eventually([&] {
    char text[4096];
    const auto size = ::read(pipe[0], text, sizeof text);
    if (size > 0) said.append(text, size);
    return size == 0;
  })) << "somebody still holds the other end";
  EXPECT_EQ(said, "");
  ::close(pipe[0]);
  const auto server = directory_.server();
  ASSERT_NE(server, 0);
  for (int fd = 0; fd <= 2; ++fd) {
    const auto link = "/proc/" + std::to_string(server) + "/fd/" + std::to_string(fd);
    EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null");
  }
}

// As an old kernel, or a container whose seccomp rules do not know the call.
bool refuse_close_range(int error) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(rules), rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(DetachedServer, HoldsNoDescriptorOfItsStarterWithoutCloseRange) {
  for (const int error : {ENOSYS, EPERM}) {
    const test::LocalDirectory directory;
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    Forked starter{[&] {
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      ::fcntl(pipe[1], F_DUPFD, 1000);
      limit.rlim_cur = 500;  // what was opened before lies above it
      ::setrlimit(RLIMIT_NOFILE, &limit);
      if (!refuse_close_range(error)) return 77;
      (void)connect(directory);
      return 0;
    }};
    ::close(pipe[1]);
    const int status = starter.wait();
    pollfd end{pipe[0], 0, 0};
    const bool has_ended = ::poll(&end, 1, static_cast<int>(10s / 1ms)) == 1;
    ::close(pipe[0]);
    if (status == 77) GTEST_SKIP() << "no calls can be refused here";
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(has_ended) << "somebody still holds the other end";
    EXPECT_NE(directory.server(), 0);
  }
}

TEST_F(DetachedServer, IsNotBoundByTheLimitsOfItsStarter) {
  Forked starter{[&] {
    for (const auto resource : {RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS}) {
      rlimit limit{};
      ::getrlimit(resource, &limit);
      limit.rlim_cur = resource == RLIMIT_AS ? 1'000'000'000 : 100;
      ::setrlimit(resource, &limit);
    }
    (void)connect(directory_);
    return 0;
  }};
  EXPECT_EQ(starter.wait(), 0);
  std::ifstream limits{"/proc/" + std::to_string(directory_.server()) + "/limits"};
  for (std::string line; std::getline(limits, line);) {
    for (const auto* name : {"Max file size", "Max cpu time", "Max address space"}) {
      if (!line.starts_with(name)) continue;
      std::istringstream values{line.substr(26)};
      std::string now;
      std::string most;
      EXPECT_TRUE(values >> now >> most);
      EXPECT_EQ(now, most) << name;
    }
  }
}

TEST_F(DetachedServer, StartsFromAProgramWithoutStandardDescriptors) {
  Forked starter{[&] {
    for (int fd = 0; fd < 10; ++fd) ::close(fd);
    (void)connect(directory_);
    return 0;
  }};
  EXPECT_EQ(starter.wait(), 0);
  EXPECT_NE(directory_.server(), 0);
}

TEST_F(DetachedServer, SaysWhyItFailsToAProgramWithoutStandardDescriptors) {
  const auto program = write_program("no program");
  Forked starter{[&] {
    for (int fd = 0; fd < 10; ++fd) ::close(fd);
    return failure_with_program(program).find("Exec format error") != std::string::npos ? 0 : 1;
  }};
  EXPECT_EQ(starter.wait(), 0);
}

TEST_F(DetachedServer, DoesNotInheritSignalHandling) {
  Forked starter{[&] {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    for (const int signal : {SIGTERM, SIGQUIT, SIGUSR2}) ::signal(signal, SIG_IGN);
    (void)connect(directory_);
    return 0;
  }};
  EXPECT_EQ(starter.wait(), 0);
  const auto server = directory_.server();
  ASSERT_NE(server, 0);
  std::ifstream status{"/proc/" + std::to_string(server) + "/status"};
  for (std::string name, value; status >> name && std::getline(status, value);) {
    if (name == "SigBlk:") {
      EXPECT_EQ(std::stoull(value, nullptr, 16), 0U);
    } else if (name == "SigIgn:") {
      const auto ignored = std::stoull(value, nullptr, 16);  // the server ignores some itself
      for (const int signal : {SIGQUIT, SIGUSR2}) EXPECT_EQ(ignored >> (signal - 1) & 1, 0U);
    }
  }
  ::kill(server, SIGTERM);
  EXPECT_TRUE(test::eventually([&] { return directory_.processes().empty(); }));
}

TEST_F(DetachedServer, WorksWhenTheStarterIgnoresItsChildren) {
  Forked starter{[&] {
    ::signal(SIGCHLD, SIG_IGN);
    (void)connect(directory_);
    return 0;
  }};
  EXPECT_EQ(starter.wait(), 0);
}

}  // namespace
}  // namespace dlock::local_server
