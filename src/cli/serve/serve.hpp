// dlock serve.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/configuration/store.hpp"

namespace dlock::cli {

struct ServeArguments {
  StoreArguments store;
  std::string pattern = "*";
  std::string host = "127.0.0.1";             ///< the address to listen on
  std::uint16_t port = 8650;                  ///< 0: any free one
  std::vector<std::string> allowed_hosts;     ///< more names that requests may use for this server
  std::vector<std::string> metrics_patterns;  ///< of locks that have series of their own
  std::string token_file;                     ///< of those who may break locks; empty: nobody may
  std::int64_t busiest = 20;                  ///< how many others have them
  std::int64_t max_commands = 50;             ///< on the servers, a second
};

/// Serves until a signal ends it. Returns the exit status.
int serve(const ServeArguments& arguments);

}  // namespace dlock::cli
