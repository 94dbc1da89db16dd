// What holds where the command line says nothing: the environment, the user's file, the system's
// file, and the defaults, in this order.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/configuration/config_file.hpp"

namespace dlock::cli {

/// Who said a setting.
enum class Source { environment, user, system, built_in };

/// `environment`, `user`, `system`, `default`.
[[nodiscard]] std::string_view to_string(Source source) noexcept;

template <class Value>
struct Setting {
  Value value{};
  Source source = Source::built_in;
  std::string place{};  ///< `DLOCK_URL`, or `FILE, line N`; empty: nobody said it
};

struct Configuration {
  Setting<std::string> url;  ///< with its password; empty: nobody said one
  Setting<std::string> prefix;
  Setting<std::chrono::milliseconds> ttl{std::chrono::milliseconds{30'000}};
  Setting<std::string> label;        ///< empty: that of the COMMAND
  Setting<bool> require_url;         ///< whether `local:` must be said to be used
  std::vector<ConfigFile> files;     ///< the user's, then the system's
  std::vector<std::string> exposed;  ///< paths of those with a password that others can read
};

/// Reads all of it. Throws `UsageError`, which says where, for values that are wrong, and for a
/// file that cannot be read, unless `url_is_given` or `DLOCK_URL` says where the locks are: a file
/// that a user may not read must not hinder that user, and must not lead to a private server
/// either.
[[nodiscard]] Configuration read_configuration(bool url_is_given = false);

}  // namespace dlock::cli
