// Locks on files and directories, which end with the last process that has them open.
#include "runtime/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace dlock::runtime {

Descriptor open_lock_file(const std::string& path) {
  const auto open = [&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  };
  Descriptor file{open()};
  if (!file && (errno == EACCES || errno == ELOOP) && ::unlink(path.c_str()) == 0) {
    file.reset(open());
  }
  return file;
}

Descriptor open_directory(const std::string& path) {
  return Descriptor{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
}

FileLock try_lock(const Descriptor& file) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return FileLock::taken;
  return errno == EWOULDBLOCK ? FileLock::held_by_another : FileLock::not_possible;
}

bool is_at(const Descriptor& file, const std::string& path) {
  struct stat ours{};
  struct stat there{};
  return ::fstat(file.get(), &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace dlock::runtime
