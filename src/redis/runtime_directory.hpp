// The private server's directory: which one this user's programs share, and whether it is safe.
#pragma once

#include <functional>
#include <string>

namespace dlock::redis {

/// Where the directory may be.
struct RuntimePlaces {
  std::string given;     ///< $XDG_RUNTIME_DIR; empty: not set
  std::string session;   ///< /run/user/UID, there while the user is logged in
  std::string fallback;  ///< /tmp/dlock-UID

  /// Those of this process.
  [[nodiscard]] static RuntimePlaces of_this_process();
};

/// The directory that all programs of this user find, with or without a login: `dlock` in `given`
/// if that is somewhere of its own, else in `session`, else `fallback`. A server that already runs
/// in `fallback` is used by sessions too, so that a job started by cron and a session meet.
[[nodiscard]] std::string choose_directory(
    const RuntimePlaces& places, const std::function<bool(const std::string&)>& has_server);

/// Empty when `directory` is a real directory of ours that nobody else can look into; else why not.
[[nodiscard]] std::string what_is_wrong_with(const std::string& directory);

/// Makes `directory` if it is not there. Throws `Unreachable` unless it is safe then.
void prepare_directory(const std::string& directory);

}  // namespace dlock::redis
