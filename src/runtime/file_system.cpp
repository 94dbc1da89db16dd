// Files, directories and file systems, beyond what the standard library offers.
#include "runtime/file_system.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <vector>

namespace dlock::runtime {

FileInfo file_info(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {.error = errno};
  return {.is_directory = S_ISDIR(status.st_mode),
          .is_symbolic_link = S_ISLNK(status.st_mode),
          .owner = status.st_uid,
          .permissions = status.st_mode & 0777};
}

FileContent read_file(const std::string& path, std::size_t most) {
  // Not blocking: a pipe without a writer is no content.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return {.error = errno};
  FileContent content{.permissions = status.st_mode & 0777};
  std::array<char, 4096> part{};
  for (;;) {
    const auto size = ::read(file.get(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {.error = errno};
    if (size == 0) return content;
    content.text.append(part.data(), static_cast<std::size_t>(size));
    if (content.text.size() > most) return {.error = EFBIG};
  }
}

int make_private_directory(const std::string& path) {
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

int write_error(const std::string& path) { return ::access(path.c_str(), W_OK) == 0 ? 0 : errno; }

bool is_program(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

bool is_on_this_machine(const std::string& path) {
  constexpr long xfs = 0x58465342;
  constexpr long zfs = 0x2fc12fc1;
  constexpr long bcachefs = static_cast<long>(0xca451a4e);
  constexpr long jfs = 0x3153464a;
  constexpr long local[] = {EXT4_SUPER_MAGIC,
                            BTRFS_SUPER_MAGIC,
                            TMPFS_MAGIC,
                            RAMFS_MAGIC,
                            OVERLAYFS_SUPER_MAGIC,
                            F2FS_SUPER_MAGIC,
                            REISERFS_SUPER_MAGIC,
                            ECRYPTFS_SUPER_MAGIC,
                            NILFS_SUPER_MAGIC,
                            xfs,
                            zfs,
                            bcachefs,
                            jfs};
  struct statfs status{};
  return ::statfs(path.c_str(), &status) == 0 &&
         std::ranges::find(local, static_cast<long>(static_cast<unsigned>(status.f_type))) !=
             std::end(local);
}

std::optional<std::uint64_t> free_bytes(const std::string& path) {
  struct statvfs disk{};
  if (::statvfs(path.c_str(), &disk) != 0) return std::nullopt;
  return std::uint64_t{::geteuid() == 0 ? disk.f_bfree : disk.f_bavail} * disk.f_frsize;
}

std::string home_of(uid_t user) {
  std::vector<char> room(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwuid_r(user, &entry, room.data(), room.size(), &found)) == ERANGE) {
    room.resize(room.size() * 2);
  }
  return error == 0 && found != nullptr && *found->pw_dir == '/' ? found->pw_dir : "";
}

Descriptor hold_on_to(const std::string& path) {
  return Descriptor{::open(path.c_str(), O_PATH | O_CLOEXEC)};
}

}  // namespace dlock::runtime
