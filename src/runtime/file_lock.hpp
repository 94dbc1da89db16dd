// Locks on files and directories, which end with the last process that has them open.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/descriptor.hpp"

namespace dlock::runtime {

enum class FileLock : std::uint8_t { taken, held_by_another, not_possible };

/// Opens the file at `path`, which only this user may use, and makes it if it is missing. Replaces
/// a symbolic link or a file that it may not open. None: errno says why not.
[[nodiscard]] Descriptor open_lock_file(const std::string& path);

/// None: errno says why not.
[[nodiscard]] Descriptor open_directory(const std::string& path);

/// Takes the lock of an open file or directory, without waiting for it.
[[nodiscard]] FileLock try_lock(const Descriptor& file);

/// Whether `path` still leads to this file, which may have been removed since it was opened.
[[nodiscard]] bool is_at(const Descriptor& file, const std::string& path);

}  // namespace dlock::runtime
