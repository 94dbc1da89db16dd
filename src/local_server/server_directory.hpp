// The private server's directory: where it may be, and whether it is safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace dlock::local_server {

/// The directories where the private server of `user` may live, best first: `.local/state/dlock` in
/// `home` (which may be empty), `/var/tmp/dlock-UID`, `/tmp/dlock-UID`. A login, cron, sudo and a
/// service all get the same.
[[nodiscard]] std::vector<std::string> usual_directories(const std::string& home, uid_t user);

/// The directories where versions before 0.1.0 may still have a server of `user`.
[[nodiscard]] std::vector<std::string> former_directories(uid_t user);

/// Empty if `directory` is a directory of this user that nobody else can access, otherwise the
/// reason. A symbolic link is none.
[[nodiscard]] std::string what_is_wrong_with(const std::string& directory);

/// Makes `directory` if it is missing. Throws `Unreachable` if it is not safe.
void prepare_directory(const std::string& directory);

/// Prepares the first of `directories` that can be created and written to, and returns it. The one
/// where a server wrote last goes first, since it may have locks. Skips a directory of another
/// user, and one in a home on a network file system, since a socket belongs to one machine. Throws
/// `Unreachable` if there is none, or if it is not safe.
[[nodiscard]] std::string prepare_usual(const std::vector<std::string>& directories);

}  // namespace dlock::local_server
