// Where the private server lives, and where its program is looked for.
#include "redis/runtime_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>

#include "dlock/error.hpp"
#include "redis/local_directory.hpp"
#include "redis/server_program.hpp"

namespace dlock::redis {
namespace {

using testing::HasSubstr;

bool no_server(const std::string&) { return false; }

class RuntimeDirectory : public testing::Test {
 protected:
  RuntimeDirectory() {
    for (const auto* name : {"given", "session"}) {
      std::filesystem::create_directory(files_.root() / name);
    }
  }
  std::string in(const std::string& name) const { return (files_.root() / name).string(); }

  test::LocalDirectory files_;
  const RuntimePlaces places_{in("given"), in("session"), in("fallback")};
};

TEST_F(RuntimeDirectory, IsTheOneThatTheEnvironmentGives) {
  EXPECT_EQ(choose_directory(places_, no_server), in("given/dlock"));
  auto places = places_;
  places.given += "//";
  EXPECT_EQ(choose_directory(places, no_server), in("given/dlock"));
}

TEST_F(RuntimeDirectory, IsTheOneOfTheSessionWithoutEnvironment) {
  auto places = places_;
  for (const auto& useless : {std::string{}, std::filesystem::relative(in("given")).string(),
                              in("missing"), in("file")}) {
    std::ofstream{in("file")} << "x";
    places.given = useless;
    EXPECT_EQ(choose_directory(places, no_server), in("session/dlock")) << useless;
  }
}

TEST_F(RuntimeDirectory, IsNotThatOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  ASSERT_EQ(::chown(in("given").c_str(), 65534, 65534), 0);
  EXPECT_EQ(choose_directory(places_, no_server), in("session/dlock"));
  ASSERT_EQ(::chown(in("session").c_str(), 65534, 65534), 0);
  EXPECT_EQ(choose_directory(places_, no_server), in("fallback"));
}

TEST_F(RuntimeDirectory, IsTheFallbackWithoutALogin) {
  EXPECT_EQ(choose_directory({"", in("missing"), in("fallback")}, no_server), in("fallback"));
}

TEST_F(RuntimeDirectory, IsTheFallbackForASessionWhenAServerAlreadyRunsThere) {
  const auto runs_there = [&](const std::string& directory) { return directory == in("fallback"); };
  EXPECT_EQ(choose_directory({"", in("session"), in("fallback")}, runs_there), in("fallback"));
  EXPECT_EQ(choose_directory({in("session"), in("session"), in("fallback")}, runs_there),
            in("fallback"));
  EXPECT_EQ(choose_directory(places_, runs_there), in("given/dlock")) << "asked for explicitly";
}

TEST_F(RuntimeDirectory, IsFoundForThisProcess) {
  const auto places = RuntimePlaces::of_this_process();
  EXPECT_EQ(places.session, "/run/user/" + std::to_string(::geteuid()));
  EXPECT_EQ(places.fallback, "/tmp/dlock-" + std::to_string(::geteuid()));
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
}  // namespace dlock::redis
