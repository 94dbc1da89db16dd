// Where the private server lives, and where its program is looked for.
#include "local_server/server_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "dlock/error.hpp"
#include "local_server/server_program.hpp"
#include "runtime/file_system.hpp"
#include "support/forked.hpp"
#include "support/local_directory.hpp"

namespace dlock::local_server {
namespace {

using testing::HasSubstr;

class ServerDirectory : public testing::Test {
 protected:
  std::string in(const std::string& name) const { return (files_.root() / name).string(); }
  std::vector<std::string> homes(const std::string& home) const {
    return {home + "/.local/state/dlock", in("fallback")};
  }

  test::LocalDirectory files_;
};

TEST_F(ServerDirectory, IsInTheHomeOfTheUser) {
  EXPECT_THAT(usual_directories("/home/ann", 1000),
              testing::ElementsAre("/home/ann/.local/state/dlock", "/var/tmp/dlock-1000",
                                   "/tmp/dlock-1000"));
  EXPECT_EQ(usual_directories("/", 7).front(), "/.local/state/dlock");
  EXPECT_THAT(usual_directories("", 1000),
              testing::ElementsAre("/var/tmp/dlock-1000", "/tmp/dlock-1000"));
}

TEST_F(ServerDirectory, DoesNotDependOnTheEnvironment) {
  const auto home = runtime::home_of(::geteuid());
  test::Forked session{[&] {
    ::setenv("HOME", "/elsewhere", 1);
    ::setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
    ::setenv("XDG_STATE_HOME", "/elsewhere", 1);
    ::setenv("TMPDIR", "/elsewhere", 1);
    return runtime::home_of(::geteuid()) == home ? 0 : 1;
  }};
  EXPECT_EQ(session.wait(), 0);
  EXPECT_EQ(runtime::home_of(4'000'000'000), "");
}

TEST_F(ServerDirectory, IsMadeForThisUserAlone) {
  std::filesystem::create_directory(in("home"));
  EXPECT_EQ(prepare_usual(homes(in("home"))), in("home/.local/state/dlock"));
  EXPECT_EQ(what_is_wrong_with(in("home/.local/state/dlock")), "");
  EXPECT_EQ(what_is_wrong_with(in("home/.local")), "");
}

TEST_F(ServerDirectory, IsElsewhereWithoutAUsefulHome) {
  EXPECT_EQ(prepare_usual(homes(in("none"))), in("fallback"));
  std::ofstream{in("file")} << "x";
  EXPECT_EQ(prepare_usual(homes(in("file"))), in("fallback"));
  EXPECT_EQ(prepare_usual(homes("/proc")), in("fallback")) << "no place for sockets";
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  std::filesystem::create_directories(in("home/.local/state/dlock"));
  ASSERT_EQ(::chown(in("home/.local/state/dlock").c_str(), 65534, 65534), 0);
  EXPECT_EQ(prepare_usual(homes(in("home"))), in("fallback"));
  test::Forked other{[&] {
    std::filesystem::create_directory(in("fallback2"));
    ::chmod(in("fallback2").c_str(), 0700);
    ::chmod(in("").c_str(), 0755);
    ::mkdir(in("read-only").c_str(), 0755);
    if (::chown(in("fallback2").c_str(), 65534, 65534) != 0) return 1;
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 2;
    return prepare_usual({in("read-only") + "/.local/state/dlock", in("fallback2")}) ==
                   in("fallback2")
               ? 0
               : 3;
  }};
  EXPECT_EQ(other.wait(), 0) << "a home that cannot be written to";
}

TEST_F(ServerDirectory, IsWhereAServerWroteLast) {
  std::filesystem::create_directory(in("home"));
  const auto directories = homes(in("home"));
  const auto write = [&](const std::string& directory, std::chrono::seconds after) {
    prepare_directory(directory);
    std::filesystem::create_directory(directory + "/appendonlydir");
    std::ofstream{directory + "/appendonlydir/x"} << "x";
    std::filesystem::last_write_time(directory + "/appendonlydir/x",
                                     std::filesystem::file_time_type::clock::now() + after);
  };
  EXPECT_EQ(prepare_usual(directories), directories[0]);
  write(directories[1], std::chrono::seconds{0});
  EXPECT_EQ(prepare_usual(directories), directories[1]) << "as the home was out of reach";
  write(directories[0], std::chrono::seconds{1});
  EXPECT_EQ(prepare_usual(directories), directories[0]);
}

TEST_F(ServerDirectory, SaysWhatToDoWhenThereIsNone) {
  try {
    (void)prepare_usual({in("none/.local/state/dlock"), in("none/dlock")});
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_THAT(error.what(), HasSubstr("DLOCK_LOCAL_DIR"));
  }
  std::filesystem::create_directories(in("home/.local/state/dlock"));
  ::chmod(in("home/.local/state/dlock").c_str(), 0755);
  try {
    (void)prepare_usual(homes(in("home")));
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_THAT(error.what(), HasSubstr("0700")) << "ours, and not to be passed over in silence";
  }
}

class ServerProgram : public testing::Test {
 protected:
  std::string make(const std::string& name, mode_t mode = 0700) {
    const auto path = files_.root() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream{path} << "#!/bin/true\n";
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string in(const std::string& name) const { return (files_.root() / name).string(); }

  test::LocalDirectory files_;
  const std::array<std::string, 1> standard_{in("standard")};
};

TEST_F(ServerProgram, IsFoundOnThePathAndThenInTheUsualPlaces) {
  const auto usual = make("standard/redis-server");
  const auto path = in("empty") + "::" + in("a") + ":relative:" + in("b");
  EXPECT_EQ(find_server_program("", path, standard_), usual);
  const auto second = make("b/redis-server");
  EXPECT_EQ(find_server_program("", path, standard_), second);
  make("a/redis-server", 0600);
  std::filesystem::create_directories(in("empty/redis-server"));
  EXPECT_EQ(find_server_program("", path, standard_), second)
      << "what cannot be run is passed over";
}

TEST_F(ServerProgram, MayBeValkeys) {
  const auto valkey = make("a/valkey-server");
  EXPECT_EQ(find_server_program("", in("a"), standard_), valkey);
  const auto redis = make("standard/redis-server");
  EXPECT_EQ(find_server_program("", in("a"), standard_), redis);
}

TEST_F(ServerProgram, IsTheGivenOneBeforeAllOthers) {
  make("standard/redis-server");
  const auto given = make("mine");
  EXPECT_EQ(find_server_program(given, "", standard_), given);
}

TEST_F(ServerProgram, MayBeBroughtByAPackageWhereNoneIsInstalled) {
  const auto brought = make("package/valkey-server");
  EXPECT_EQ(find_server_program("", in("a"), standard_, brought), brought);
  const auto installed = make("standard/valkey-server");
  EXPECT_EQ(find_server_program("", in("a"), standard_, brought), installed);
  for (const auto& wrong : {in("package/nothing"), std::string{"valkey-server"}}) {
    EXPECT_THROW((void)find_server_program("", in("a"), {}, wrong), Unreachable);
  }
}

TEST_F(ServerProgram, IsRunWithTheWholePathOfItsSocketIfThatFits) {
  const auto socket = [](const std::string& directory) {
    const auto command = server_command("/bin/redis-server", directory);
    return *(std::ranges::find(command, "--unixsocket") + 1);
  };
  EXPECT_EQ(socket("/a"), "/a/redis.sock");
  EXPECT_EQ(socket("/" + std::string(95, 'a')), "/" + std::string(95, 'a') + "/redis.sock");
  EXPECT_EQ(socket("/" + std::string(96, 'a')), "redis.sock");
}

TEST_F(ServerProgram, GetsLittleOfTheEnvironment) {
  test::Forked starter{[] {
    ::clearenv();
    for (const auto* name : {"LD_PRELOAD", "LC_ALL", "SECRET", "NOTIFY_SOCKET", "PATH", "HOME"}) {
      ::setenv(name, "x", 1);
    }
    return server_environment() == std::vector<std::string>{"LC_ALL=C", "HOME=x", "PATH=x"} ? 0 : 1;
  }};
  EXPECT_EQ(starter.wait(), 0);
}

TEST_F(ServerProgram, SaysWhatToInstallWhenThereIsNone) {
  try {
    (void)find_server_program("", in("a"), standard_);
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("redis-server"), HasSubstr("apt install"),
                                             HasSubstr("DLOCK_URL")));
  }
}

}  // namespace
}  // namespace dlock::local_server
