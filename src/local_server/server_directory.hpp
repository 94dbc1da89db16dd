// The private server's directory: where it may be, and whether it is safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace dlock::local_server {

/// Where the private server of `user` may live, best first: `.local/state/dlock` in `home` (which
/// may be empty), `/var/tmp/dlock-UID`, `/tmp/dlock-UID`. The same for a login, cron, sudo, a
/// service.
[[nodiscard]] std::vector<std::string> usual_directories(const std::string& home, uid_t user);

/// Where versions before 0.1.0 may still have a server of `user`.
[[nodiscard]] std::vector<std::string> former_directories(uid_t user);

/// Empty when `directory` is a real directory of ours that nobody else can look into; else why not.
[[nodiscard]] std::string what_is_wrong_with(const std::string& directory);

/// Makes `directory` if it is not there. Throws `Unreachable` unless it is safe then.
void prepare_directory(const std::string& directory);

/// Prepares the first of `directories` that can be made and written to, and returns it; before
/// others the one where a server wrote last, which may have locks. Those of another user, or in a
/// home on a network file system, are passed over: a socket is one machine's. Throws `Unreachable`
/// if there is none, or if ours is not safe.
[[nodiscard]] std::string prepare_usual(const std::vector<std::string>& directories);

}  // namespace dlock::local_server
