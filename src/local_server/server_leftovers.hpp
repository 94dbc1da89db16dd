// Files of a private server with which the next one cannot start.
#pragma once

#include <string>

namespace dlock::local_server {

/// Cuts off the bytes after the last whole command in the server's data files, as a power cut
/// leaves them. The locks before them stay. To be called with the claim.
void cut_off_broken_ends(const std::string& directory);

/// Moves all files of the server into a new directory `broken-DATE` in `directory`, notes that in
/// the new log, and deletes all but the latest three such directories. To be called with the claim.
/// Returns the new directory's path; empty: it cannot be created.
[[nodiscard]] std::string set_aside(const std::string& directory);

/// Undoes `set_aside`.
void put_back(const std::string& directory, const std::string& aside);

}  // namespace dlock::local_server
