// Store URLs: every form that is taken, every mistake that is told, and no password in any message.
#include "redis/url.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

std::string error_of(std::string_view url) {
  try {
    (void)parse_url(url);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

std::string encode_all(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', digits[byte / 16], digits[byte % 16]};
  }
  return encoded;
}

TEST(Url, TakesAHostAlone) {
  const auto endpoint = parse_url("redis://localhost");
  EXPECT_EQ(endpoint.kind, Endpoint::Kind::tcp);
  EXPECT_EQ(endpoint.host, "localhost");
  EXPECT_EQ(endpoint.port, 6379);
  EXPECT_EQ(endpoint.db, 0);
  EXPECT_EQ(endpoint.user, "");
  EXPECT_EQ(endpoint.password, "");
}

TEST(Url, TakesAllPartsOfATcpUrl) {
  const auto endpoint = parse_url("redis://alice:s3cret@db.example:7000/12");
  EXPECT_EQ(endpoint.host, "db.example");
  EXPECT_EQ(endpoint.port, 7000);
  EXPECT_EQ(endpoint.db, 12);
  EXPECT_EQ(endpoint.user, "alice");
  EXPECT_EQ(endpoint.password, "s3cret");
}

TEST(Url, TakesAPasswordWithoutAUser) {
  const auto endpoint = parse_url("redis://:s3cret@localhost/");
  EXPECT_EQ(endpoint.user, "");
  EXPECT_EQ(endpoint.password, "s3cret");
  EXPECT_EQ(endpoint.db, 0);
}

TEST(Url, DecodesPercentInUserAndPassword) {
  const auto endpoint = parse_url("redis://a%3Ab:p%2F%40%25%c3%a4@h");
  EXPECT_EQ(endpoint.user, "a:b");
  EXPECT_EQ(endpoint.password, "p/@%\xc3\xa4");
}

TEST(Url, TakesTheLastAtSignAndTheFirstColonOfAPassword) {
  const auto endpoint = parse_url("redis://u:a@b:c@h");
  EXPECT_EQ(endpoint.user, "u");
  EXPECT_EQ(endpoint.password, "a@b:c");
  EXPECT_EQ(endpoint.host, "h");
}

TEST(Url, TakesIpv6InBrackets) {
  const auto endpoint = parse_url("redis://u:p@[fe80::1%25eth0]:7000/1");
  EXPECT_EQ(endpoint.host, "fe80::1%eth0");
  EXPECT_EQ(endpoint.port, 7000);
  EXPECT_EQ(parse_url("redis://[::1]").port, 6379);
}

TEST(Url, TakesAUnixSocket) {
  const auto endpoint = parse_url("redis+unix:///run/my%20redis.sock?db=3");
  EXPECT_EQ(endpoint.kind, Endpoint::Kind::unix_socket);
  EXPECT_EQ(endpoint.path, "/run/my redis.sock");
  EXPECT_EQ(endpoint.db, 3);
  EXPECT_EQ(parse_url("redis+unix:///s").db, 0);
}

TEST(Url, TakesUserAndPasswordForAUnixSocket) {
  const auto endpoint = parse_url("redis+unix://u:p@/run/s");
  EXPECT_EQ(endpoint.user, "u");
  EXPECT_EQ(endpoint.password, "p");
  EXPECT_EQ(endpoint.path, "/run/s");
}

TEST(Url, TakesTlsAndItsOptions) {
  const auto plain = parse_url("rediss://u:p@h:1/2");
  EXPECT_EQ(plain.kind, Endpoint::Kind::tcp);
  EXPECT_EQ(std::tie(plain.host, plain.port, plain.db), std::make_tuple("h", 1, 2));
  ASSERT_TRUE(plain.tls);
  EXPECT_TRUE(plain.tls->verify);
  EXPECT_EQ(plain.tls->ca + plain.tls->certificate + plain.tls->key + plain.tls->name, "");
  EXPECT_FALSE(parse_url("redis://h").tls);
  EXPECT_EQ(plain.display(), "rediss://u@h:1/2");
  const auto all = "rediss://h?ca=/c%26d&cert=/e&key=/f&name=g.h&verify=no";
  const auto parsed = parse_url(all);
  EXPECT_EQ(parsed.tls->ca, "/c&d");
  EXPECT_EQ(parsed.tls->certificate, "/e");
  EXPECT_EQ(parsed.tls->key, "/f");
  EXPECT_EQ(parsed.tls->name, "g.h");
  EXPECT_FALSE(parsed.tls->verify);
  EXPECT_EQ(parsed.display(), all);
  EXPECT_TRUE(parse_url("rediss://h?verify=yes").tls->verify);
}

TEST(Url, TakesSentinels) {
  const auto one = parse_url("redis+sentinel://h/main");
  EXPECT_EQ(one.kind, Endpoint::Kind::sentinel);
  EXPECT_EQ(one.addresses.size(), 1U);
  EXPECT_EQ(one.addresses.at(0).port, 26379);
  EXPECT_EQ(one.display(), "redis+sentinel://h/main");
  const auto all = parse_url(
      "redis+sentinel://u:p@a:1,[::1]:2,c/ma%2Fin/3?sentinel_user=s&sentinel_password=w%26");
  EXPECT_EQ(std::tie(all.user, all.password, all.service, all.db),
            std::make_tuple("u", "p", "ma/in", 3));
  EXPECT_EQ(std::tie(all.sentinel_user, all.sentinel_password), std::make_tuple("s", "w&"));
  EXPECT_EQ(all.addresses.at(1).host, "::1");
  EXPECT_EQ(all.display(), "redis+sentinel://u@a:1,[::1]:2,c/ma%2Fin/3?sentinel_user=s");
}

TEST(Url, TakesClusters) {
  const auto one = parse_url("redis+cluster://u:p@a,b:7000");
  EXPECT_EQ(one.kind, Endpoint::Kind::cluster);
  EXPECT_EQ(one.addresses, (std::vector<Endpoint::Address>{{"a", 6379}, {"b", 7000}}));
  EXPECT_EQ(one.display(), "redis+cluster://u@a,b:7000");
  const auto tls = parse_url("rediss+cluster://a?ca=/c&name=n");
  EXPECT_EQ(std::tie(tls.tls->ca, tls.tls->name), std::make_tuple("/c", "n"));
  EXPECT_EQ(tls.display(), "rediss+cluster://a?ca=/c&name=n");
  EXPECT_TRUE(tls.at(tls.addresses[0], Endpoint::Kind::cluster_node).tls);
}

TEST(Url, TakesQuorums) {
  const auto three = parse_url("redis+quorum://u:p@a,a:1,[::1]/2");
  EXPECT_EQ(three.kind, Endpoint::Kind::quorum);
  EXPECT_EQ(three.addresses.size(), 3U);
  EXPECT_EQ(three.display(), "redis+quorum://u@a,a:1,[::1]/2");
  const auto node = three.at(three.addresses[1]);
  EXPECT_EQ(std::tie(node.host, node.port, node.db, node.password),
            std::make_tuple("a", 1, 2, "p"));
}

TEST(Url, TakesThePrivateServerAndItsDirectory) {
  EXPECT_EQ(parse_url("local:").kind, Endpoint::Kind::local);
  EXPECT_EQ(parse_url("local:").path, "");
  EXPECT_EQ(parse_url("local:/run/mine").path, "/run/mine");
}

TEST(Url, RefusesWhatItDoesNotUnderstandAndSaysWhat) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "must start with local:, redis://"},
      {"localhost", "must start with local:, redis://"},
      {"localhost:6379", "must start with local:, redis://"},
      {"http://localhost", "must start with local:, redis://"},
      {"redis:/localhost", "must start with local:, redis://"},
      {"rediss://h?c=x", "options of rediss: are"},
      {"rediss://h?ca", "no value"},
      {"rediss://h?ca=", "no value"},
      {"rediss://h?cert=/c", "both cert=FILE and key=FILE"},
      {"rediss://h?key=/k", "both cert=FILE and key=FILE"},
      {"rediss://h?verify=maybe", "verify must be yes or no"},
      {"rediss://h?ca=%00", "zero byte"},
      {"rediss://h/0#x", "takes no options"},
      {"redis://h?ca=/c", "takes no options"},
      {"unix:///run/s", "redis+unix:///path"},
      {"redis+cluster://", "name one or more nodes"},
      {"redis+cluster://a/1", "only database 0"},
      {"redis+cluster://a?ca=/c", "need rediss:"},
      {"redis+quorum://a,b", "3, 5 or another odd number"},
      {"redis+quorum://a,b,c,d", "3, 5 or another odd number"},
      {"redis+quorum://a,b,a", "named twice"},
      {"redis+sentinel://h", "redis+sentinel://host:port,host:port/service"},
      {"redis+sentinel:///main", "redis+sentinel://host:port,host:port/service"},
      {"redis+sentinel://h,,i/main", "host is missing"},
      {"redis+sentinel://h/main/x", "must be a number"},
      {"redis+sentinel://h/main?ca=/c", "sentinel_user and sentinel_password"},
      {"redis://", "host is missing"},
      {"redis://:6379", "host is missing"},
      {"redis://u:p@", "host is missing"},
      {"redis://h:", "port must be"},
      {"redis://h:0", "port must be"},
      {"redis://h:65536", "port must be"},
      {"redis://h:-1", "port must be"},
      {"redis://h:6379x", "port must be"},
      {"redis://h/x", "database must be"},
      {"redis://h/-1", "database must be"},
      {"redis://h/1/2", "database must be"},
      {"redis://h/99999999999", "database must be"},
      {"redis://h?db=1", "after ? or #"},
      {"redis://h/1#x", "after ? or #"},
      {"redis://::1", "in brackets"},
      {"redis://[::1", "bracket"},
      {"redis://[::1]6379", "bracket"},
      {"redis://u:p%@h", "two hexadecimal digits"},
      {"redis://u:p%4@h", "two hexadecimal digits"},
      {"redis://u:p%zz@h", "two hexadecimal digits"},
      {"redis+unix://", "path is missing"},
      {"redis+unix://run/s", "three in all"},
      {"redis+unix:///run/", "must name a socket"},
      {"redis+unix:///s?db=", "database must be"},
      {"redis+unix:///s?password=x", "only option is db"},
      {"redis+unix:///s%00", "zero byte"},
      {"redis://h%00", "zero byte"},
      {"local:mine", "absolute directory"},
      {"local:/a%00", "zero byte"},
  };
  for (const auto& [url, what] : cases) {
    EXPECT_NE(error_of(url).find(what), std::string::npos) << url << " gave: " << error_of(url);
  }
}

TEST(Url, ShowsTheShortestFormOfItself) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"redis://localhost:6379/0", "redis://localhost"},
      {"redis://h:1/2", "redis://h:1/2"},
      {"redis://[::1]:7/1", "redis://[::1]:7/1"},
      {"redis://[fe80::1%25eth0]", "redis://[fe80::1%25eth0]"},
      {"redis+unix:///a%20b?db=0", "redis+unix:///a%20b"},
      {"redis+unix:///a?db=5", "redis+unix:///a?db=5"},
      {"local:", "local:"},
      {"local:/a b", "local:/a%20b"},
  };
  for (const auto& [url, shown] : cases) EXPECT_EQ(parse_url(url).display(), shown);
}

TEST(Url, KeepsThePasswordOutOfWhatIsPrinted) {
  EXPECT_EQ(parse_url("redis://alice:s3cret@h/1").display(), "redis://alice@h/1");
  EXPECT_EQ(parse_url("redis://:s3cret@h").display(), "redis://h");
  EXPECT_EQ(parse_url("redis+unix://a%40:s3cret@/s").display(), "redis+unix://a%40@/s");
}

TEST(Url, KeepsThePasswordOutOfEveryError) {
  const std::string_view wrong[] = {
      "redis://:s3/cret@h",    "redis://:s3?cret@h",        "redis://:s3#cret@h",
      "redis://u:s3cret%@h",   "redis://u:s3cret@h:x",      "redis://u:s3cret@",
      "redis://u:s3cret@h/x",  "redis+unix://u:s3cret@x/s", "redis+unix://u:s3cret@",
      "rediss://u:s3cret@h?x", "redis+unix:///s?pw=s3cret", "s3cret",
      "redis:u:s3cret@h",      "redis://u:s3cret",          "local:s3cret",
  };
  for (const auto url : wrong) {
    const auto what = error_of(url);
    EXPECT_NE(what, "") << url;
    EXPECT_EQ(what.find("s3"), std::string::npos) << what;
    EXPECT_EQ(what.find("cret"), std::string::npos) << what;
  }
}

TEST(Url, AnyUserAndPasswordSurviveEncoding) {
  const bool held = rc::check([](const std::string& user, const std::string& password) {
    const auto endpoint =
        parse_url("redis://" + encode_all(user) + ":" + encode_all(password) + "@h:1/2");
    RC_ASSERT(endpoint.user == user);
    RC_ASSERT(endpoint.password == password);
    RC_ASSERT(endpoint.host == "h");
  });
  EXPECT_TRUE(held);
}

TEST(Url, ItsTextReadsAsTheSameEndpoint) {
  const bool held = rc::check([](const std::string& text, std::uint16_t number) {
    const auto path = "/" + encode_all(text) + "x";
    for (const auto& url :
         {"redis+unix://" + encode_all(text) + "@" + path + "?db=" + std::to_string(number),
          "local:" + path}) {
      if (text.find('\0') != std::string::npos) continue;
      const auto first = parse_url(url);
      const auto second = parse_url(first.display());
      RC_ASSERT(second.kind == first.kind);
      RC_ASSERT(second.path == first.path);
      RC_ASSERT(second.user == first.user);
      RC_ASSERT(second.db == first.db);
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::redis
