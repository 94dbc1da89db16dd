// The claim to be the private server: one process has it, wherever its files are.
#include "local_server/server_claim.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "local_server/local_fixture.hpp"
#include "local_server/server_process.hpp"
#include "support/forked.hpp"

namespace dlock::local_server {
namespace {

class ServerClaim : public testing::Test {
 protected:
  std::string make(const std::string& name) {
    std::filesystem::create_directories(files_.root() / name);
    return (files_.root() / name).string();
  }

  test::LocalDirectory files_;
  const std::string name_ = claim_name(files_.path());
};

TEST_F(ServerClaim, IsOnesInADirectory) {
  Claim one{make("a"), name_};
  Claim other{make("a"), claim_name("another")};
  EXPECT_TRUE(one.try_take());
  EXPECT_TRUE(one.try_take()) << "it is ours already";
  EXPECT_FALSE(other.try_take());
  EXPECT_FALSE(other.lacks_the_name());
  one.let_go();
  EXPECT_TRUE(other.try_take());
}

TEST_F(ServerClaim, OutlivesItsDirectory) {
  Claim one{make("a"), name_};
  ASSERT_TRUE(one.try_take());
  std::filesystem::remove_all(make("a"));
  Claim again{make("a"), name_};
  EXPECT_FALSE(again.try_take());
  EXPECT_TRUE(again.lacks_the_name());
  Claim elsewhere{make("b"), name_};
  EXPECT_FALSE(elsewhere.try_take());
  one.let_go();
  EXPECT_TRUE(elsewhere.try_take());
}

TEST_F(ServerClaim, OutlivesItsFile) {
  Claim one{make("a"), name_};
  ASSERT_TRUE(one.try_take());
  std::filesystem::remove(make("a") + "/server.lock");
  Claim other{make("a"), claim_name("another")};
  EXPECT_FALSE(other.try_take()) << "the directory is locked too";
}

TEST_F(ServerClaim, IsTakenWhereItsFileCannotBeUsed) {
  std::filesystem::create_symlink("/dev/null", make("a") + "/server.lock");
  Claim claim{make("a"), name_};
  EXPECT_TRUE(claim.try_take());
  EXPECT_TRUE(std::filesystem::is_regular_file(make("a") + "/server.lock"));
}

TEST_F(ServerClaim, IsNamedByUserAndPlace) {
  EXPECT_EQ(claim_name(""), claim_name(""));
  EXPECT_NE(claim_name(""), claim_name("/a"));
  EXPECT_NE(claim_name("/b"), claim_name("/a"));
  EXPECT_LT(claim_name("/" + std::string(4000, 'a')).size(), sizeof(sockaddr_un::sun_path));
}

TEST_F(ServerClaim, ShowsWhoIsAServer) {
  EXPECT_FALSE(is_private_server(::getpid()));
  const auto connection = connect(files_);
  const auto server = files_.server();
  EXPECT_TRUE(is_private_server(server));
  std::filesystem::remove_all(files_.path());
  EXPECT_TRUE(is_private_server(server));
}

TEST_F(ServerClaim, TellsStartersFromStrangers) {
  EXPECT_TRUE(find_claimants(name_).socket.empty());
  Claim claim{make("a"), name_};
  ASSERT_TRUE(claim.try_take());
  const auto found = find_claimants(name_);
  EXPECT_TRUE(found.starters);
  EXPECT_TRUE(found.servers.empty());
  EXPECT_FALSE(found.are_strangers());
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const auto become = [](uid_t user) {
    return ::setresgid(user, user, user) == 0 && ::setresuid(user, user, user) == 0;
  };
  test::Forked stranger{[&] {
    if (!become(65534)) return 1;
    claim.let_go();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto name = name_ + "x";
    name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), length) != 0) return 2;
    ::pause();
    return 0;
  }};
  test::Forked user{[&] {  // root may see processes of its own that it cannot look into
    if (!become(65533)) return 1;
    const auto are_strangers = [&] { return find_claimants(name_ + "x").are_strangers(); };
    return test::eventually(are_strangers) ? 0 : 2;
  }};
  EXPECT_EQ(user.wait(), 0);
  Claim other{make("b"), name_ + "x"};
  EXPECT_FALSE(other.try_take());
  other.renounce_the_name();
  EXPECT_TRUE(other.try_take());
}

}  // namespace
}  // namespace dlock::local_server
