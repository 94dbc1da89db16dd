// dlock top.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/configuration/store.hpp"

namespace dlock::cli {

struct TopArguments {
  StoreArguments store;
  std::string pattern = "*";
  std::string filter;
  std::string sort = "waiters";
  bool reverse = false;
  bool once = false;
  bool json = false;  ///< only with `once`
  std::chrono::milliseconds interval{1'000};
  std::int64_t max_commands = 50;  ///< on the servers, a second
};

/// Shows the locks until the user quits, or once. Returns the exit status.
int top(const TopArguments& arguments);

}  // namespace dlock::cli
