// The store of a command: what the options or the configuration say, and the client of it.
#pragma once

#include <string>
#include <vector>

#include "cli/configuration/configuration.hpp"
#include "dlock/client.hpp"

namespace dlock::cli {

/// The address of the store, and the prefix of its keys.
struct StoreArguments {
  std::string url;
  std::string prefix;
  std::string place;                 ///< of the URL; empty: an option said it
  bool is_fallback = false;          ///< nobody said where the locks are, so that they are private
  std::vector<std::string> exposed;  ///< as of `Configuration`
};

/// Gives a store without a URL that of the configuration, and without one that of the private
/// server. Throws `UsageError` if the configuration requires a URL.
void complete_url(StoreArguments& store, const Configuration& configuration);

/// Returns a client of the store. Throws as `Client` does, and names the place of a URL that is
/// wrong.
[[nodiscard]] Client connect(const StoreArguments& store, ClientOptions options = {});

/// Says on stderr that only this machine has the lock `what`, if nobody said where the locks are
/// and nobody sits before a terminal: in a job of cron that is a mistake, and nothing else shows
/// it.
void warn_of_fallback(const StoreArguments& store, const std::string& what);

}  // namespace dlock::cli
