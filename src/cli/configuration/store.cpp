// The store of a command.
#include "cli/configuration/store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "cli/text/message.hpp"
#include "dlock/error.hpp"
#include "runtime/environment.hpp"

namespace dlock::cli {

namespace {

// Returns `url`, or that of a file if it is the same but for the password: the COMMAND of an outer
// run got it without that.
std::string with_password(const std::string& url, const Configuration& configuration) {
  if (configuration.url.source != Source::environment || !runtime::variable("DLOCK_HELD")) {
    return url;
  }
  for (const auto& file : configuration.files) {
    const auto entry = file.entries.find("url");
    if (entry == file.entries.end()) continue;
    try {
      if (Client{entry->second.value}.url() == url) return entry->second.value;
    } catch (const UsageError&) {
      continue;  // it is not in force, so it does no harm
    }
  }
  return url;
}

}  // namespace

void complete_url(StoreArguments& store, const Configuration& configuration) {
  if (!store.url.empty()) return;
  store.url = with_password(configuration.url.value, configuration);
  store.place = configuration.url.place;
  if (!store.url.empty()) return;
  if (configuration.require_url.value) {
    throw UsageError(
        errc::usage,
        fmt::format("no URL says where the locks are, and {} requires one: give --url, set "
                    "DLOCK_URL, or write 'url = ...' into /etc/dlock/config; local: is a private "
                    "server on this machine",
                    configuration.require_url.place));
  }
  store.url = "local:";
  store.is_fallback = true;
}

Client connect(const StoreArguments& store, ClientOptions options) {
  options.prefix = store.prefix;
  try {
    return Client{store.url, std::move(options)};
  } catch (const UsageError& error) {
    if (store.place.empty()) throw;
    throw UsageError(errc::usage, fmt::format("{}: {}", store.place, error.what()));
  }
}

void warn_of_fallback(const StoreArguments& store, const std::string& what) {
  if (!store.is_fallback) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::isatty(fd) == 1) return;
  }
  note(
      "only this user's programs on this machine see {}, since nothing says where the locks are: "
      "set DLOCK_URL, or write 'url = ...' into /etc/dlock/config (local: says that this is meant)",
      what);
}

}  // namespace dlock::cli
