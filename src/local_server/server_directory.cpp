// The private server's directory: where it may be, and whether it is safe.
#include "local_server/server_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "dlock/error.hpp"
#include "local_server/server_program.hpp"
#include "runtime/file_system.hpp"
#include "runtime/identity.hpp"

namespace dlock::local_server {
namespace {

constexpr std::string_view in_home = "/.local/state/dlock";

std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void cannot_be_made(const std::string& directory, int error) {
  throw Unreachable(errc::unreachable,
                    "the directory " + directory + " for the private server cannot be created (" +
                        describe(error) + "); set DLOCK_LOCAL_DIR, or use local:/directory");
}

void check(const std::string& directory) {
  const auto wrong = what_is_wrong_with(directory);
  if (wrong.empty()) return;
  throw Unreachable(
      errc::unreachable,
      "the directory " + directory + " is not safe for the private server: " + wrong +
          "; correct this, or name another directory by DLOCK_LOCAL_DIR or local:/directory");
}

// Also makes the missing directories above it, up to the home.
int make_in_home(const std::string& directory) {
  auto end = directory.size() - in_home.size();
  if (!runtime::is_on_this_machine(directory.substr(0, end) + "/")) return EREMOTE;
  while (end < directory.size()) {
    end = std::min(directory.find('/', end + 1), directory.size());
    if (const int error = runtime::make_private_directory(directory.substr(0, end)); error != 0)
      return error;
  }
  return runtime::is_on_this_machine(directory) ? 0 : EREMOTE;
}

bool belongs_to_another(const std::string& directory) {
  const auto info = runtime::file_info(directory);
  return info.error == 0 && info.owner != runtime::user_id();
}

// When a server last wrote its data there; the minimum stands for never.
std::filesystem::file_time_type last_use(const std::string& directory) {
  auto latest = std::filesystem::file_time_type::min();
  if (!what_is_wrong_with(directory).empty()) return latest;
  std::error_code error;
  std::filesystem::directory_iterator file{(directory + "/").append(data_name), error};
  for (; !error && file != std::filesystem::directory_iterator{}; file.increment(error)) {
    std::error_code gone;
    const auto written = file->last_write_time(gone);
    if (!gone) latest = std::max(latest, written);
  }
  return latest;
}

}  // namespace

std::vector<std::string> usual_directories(const std::string& home, uid_t user) {
  const auto name = "tmp/dlock-" + std::to_string(user);
  std::vector<std::string> directories{"/var/" + name, "/" + name};
  if (!home.empty()) {
    directories.insert(directories.begin(), std::string{home == "/" ? "" : home}.append(in_home));
  }
  return directories;
}

std::vector<std::string> former_directories(uid_t user) {
  std::vector<std::string> directories{"/run/user/" + std::to_string(user) + "/dlock"};
  const char* const session = std::getenv("XDG_RUNTIME_DIR");
  if (session != nullptr && *session == '/') directories.push_back(std::string{session} + "/dlock");
  return directories;
}

std::string what_is_wrong_with(const std::string& directory) {
  const auto info = runtime::file_info(directory);
  if (info.error != 0) return describe(info.error);
  if (info.is_symbolic_link) return "it is a symbolic link";
  if (!info.is_directory) return "it is not a directory";
  if (info.owner != runtime::user_id()) return "it belongs to another user";
  if ((info.permissions & 077) != 0) return "other users can access it; its mode must be 0700";
  return {};
}

void prepare_directory(const std::string& directory) {
  if (const int error = runtime::make_private_directory(directory); error != 0)
    cannot_be_made(directory, error);
  check(directory);
}

std::string prepare_usual(const std::vector<std::string>& directories) {
  int error = 0;
  // A directory used while the home was unreachable may have the locks of a server that died.
  auto ordered = directories;
  const auto latest = std::ranges::max_element(ordered, {}, last_use);
  std::rotate(ordered.begin(), latest, latest + 1);
  for (const auto& directory : ordered) {
    error = directory.ends_with(in_home) ? make_in_home(directory)
                                         : runtime::make_private_directory(directory);
    if (error == 0 && belongs_to_another(directory)) error = EACCES;
    if (error != 0) continue;
    check(directory);
    error = runtime::write_error(directory);
    if (error == 0) return directory;
  }
  cannot_be_made(directories.back(), error);
}

}  // namespace dlock::local_server
