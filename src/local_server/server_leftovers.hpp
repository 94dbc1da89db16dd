// What a private server left behind that the next one cannot start with.
#pragma once

#include <string>

namespace dlock::local_server {

/// Cuts off what follows the last whole command in the files of its data, as a power cut leaves
/// it: the locks before are kept. To be called with the claim.
void cut_off_broken_ends(const std::string& directory);

/// Moves all files of the server into a new directory `broken-DATE` in `directory`, notes that in
/// the new log, and keeps the last three such. To be called with the claim. Returns its path;
/// empty: it cannot be made.
[[nodiscard]] std::string set_aside(const std::string& directory);

/// Undoes that.
void put_back(const std::string& directory, const std::string& aside);

}  // namespace dlock::local_server
