// The private server's directory: which one this user's programs share, and whether it is safe.
#include "redis/runtime_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

std::string describe(int error) { return std::generic_category().message(error); }

bool is_our_directory(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid();
}

}  // namespace

RuntimePlaces RuntimePlaces::of_this_process() {
  const auto user = std::to_string(::geteuid());
  const char* const given = std::getenv("XDG_RUNTIME_DIR");
  return {given != nullptr ? given : "", "/run/user/" + user, "/tmp/dlock-" + user};
}

std::string choose_directory(const RuntimePlaces& places,
                             const std::function<bool(const std::string&)>& has_server) {
  auto given = places.given;
  while (given.size() > 1 && given.ends_with('/')) given.pop_back();
  // One that is relative or another user's (after su) is to be ignored, as its specification says.
  if (given.starts_with('/') && given != places.session && is_our_directory(given)) {
    return given + "/dlock";
  }
  if (is_our_directory(places.session) && !has_server(places.fallback)) {
    return places.session + "/dlock";
  }
  return places.fallback;
}

std::string what_is_wrong_with(const std::string& directory) {
  struct stat status{};
  if (::lstat(directory.c_str(), &status) != 0) return describe(errno);
  if (S_ISLNK(status.st_mode)) return "it is a symbolic link";
  if (!S_ISDIR(status.st_mode)) return "it is not a directory";
  if (status.st_uid != ::geteuid()) return "it belongs to another user";
  if ((status.st_mode & 077) != 0) return "others can get into it, its mode must be 0700";
  return {};
}

void prepare_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Unreachable(errc::unreachable,
                      "the directory " + directory + " for the private server cannot be made (" +
                          describe(errno) + "); set XDG_RUNTIME_DIR or use local:/directory");
  }
  const auto wrong = what_is_wrong_with(directory);
  if (!wrong.empty()) {
    throw Unreachable(errc::unreachable, "the directory " + directory +
                                             " is not safe for the private server: " + wrong +
                                             "; correct that, or use another: local:/directory");
  }
}

}  // namespace dlock::redis
