// Shared by the tests of the private server.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "local_server/local_server.hpp"
#include "redis/connection.hpp"
#include "support/forked.hpp"
#include "support/local_directory.hpp"

namespace dlock::local_server {

inline constexpr std::chrono::seconds patience{20};  // many processes at once on few cores

inline std::unique_ptr<redis::Connection> connect_local(const std::string& url) {
  return redis::Connection::open({.endpoint = redis::parse_url(url),
                                  .client_name = "dlock:test",
                                  .connect_timeout = patience,
                                  .find_local = find_local_server});
}

inline std::unique_ptr<redis::Connection> connect(const test::LocalDirectory& directory) {
  return connect_local(directory.url());
}

class LocalServer : public testing::Test {
 protected:
  std::string ensure() { return ensure_local_server(directory_.path(), patience); }

  std::string failure(std::chrono::milliseconds timeout = patience) {
    try {
      (void)ensure_local_server(directory_.path(), timeout);
    } catch (const Unreachable& error) {
      return error.what();
    }
    return {};
  }

  // The result of a program with this environment.
  std::string failure_with_program(const std::string& program,
                                   std::chrono::milliseconds timeout = patience) {
    ::setenv("DLOCK_REDIS_SERVER", program.c_str(), 1);
    auto what = failure(timeout);
    ::unsetenv("DLOCK_REDIS_SERVER");
    return what;
  }

  // A program of the test's own in the server's place.
  std::string write_program(const std::string& text) {
    const auto path = directory_.root() / "program";
    std::ofstream{path} << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  test::LocalDirectory directory_;
};

}  // namespace dlock::local_server
