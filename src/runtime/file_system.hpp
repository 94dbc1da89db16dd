// Files, directories and file systems, beyond what the standard library offers.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/descriptor.hpp"

namespace dlock::runtime {

/// What is at a path. A symbolic link is not followed.
struct FileInfo {
  int error = 0;  ///< why it cannot be seen; the rest is unknown then
  bool is_directory = false;
  bool is_symbolic_link = false;
  uid_t owner = 0;
  mode_t permissions = 0;  ///< the lowest nine bits of the mode
};

[[nodiscard]] FileInfo file_info(const std::string& path);

/// What a file contains.
struct FileContent {
  int error = 0;  ///< why it cannot be read; the rest is unknown then
  mode_t permissions = 0;
  std::string text{};
};

/// Reads a file of at most `most` bytes; a longer one is an error (EFBIG).
[[nodiscard]] FileContent read_file(const std::string& path, std::size_t most);

/// Makes a directory that only this user may enter. Returns 0, also if it exists already, or the
/// error number.
[[nodiscard]] int make_private_directory(const std::string& path);

/// 0 if this process may write to the file or directory at `path`, otherwise the error number.
[[nodiscard]] int write_error(const std::string& path);

/// Whether the path leads to a regular file that this process may execute.
[[nodiscard]] bool is_program(const std::string& path);

/// Whether `path` is on a local file system, of a kind that can have sockets.
[[nodiscard]] bool is_on_this_machine(const std::string& path);

/// The bytes that this user may still write beside `path`. None: unknown.
[[nodiscard]] std::optional<std::uint64_t> free_bytes(const std::string& path);

/// The home directory of `user` in the user database, not $HOME, which sudo and cron change.
/// Empty: there is none.
[[nodiscard]] std::string home_of(uid_t user);

/// A descriptor of the file at `path`, by which /proc leads to it after it was removed.
[[nodiscard]] Descriptor hold_on_to(const std::string& path);

}  // namespace dlock::runtime
