// File descriptors: pipes, and closing many at once.
#include "runtime/descriptor.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

namespace dlock::runtime {
namespace {

// The number that `name` is; -1: none.
int number(const char* name) noexcept {
  int value = 0;
  for (; *name >= '0' && *name <= '9'; ++name) value = value * 10 + (*name - '0');
  return *name == '\0' ? value : -1;
}

// Closes only open descriptors, since the limit may be 1,000,000,000, or lower than a descriptor
// that was opened before.
bool close_listed_from(int first) noexcept {
  const int list = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) return false;
  alignas(dirent64) char entries[4096];
  for (;;) {
    const auto size = ::syscall(SYS_getdents64, list, entries, sizeof entries);
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
      const int fd = number(entry->d_name);
      if (fd >= first && fd != list) ::close(fd);
      at += entry->d_reclen;
    }
  }
  ::close(list);
  return true;
}

}  // namespace

bool open_pipe(Pipe& pipe, int flags) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | flags) != 0) return false;
  pipe.read.reset(ends[0]);
  pipe.write.reset(ends[1]);
  return true;
}

Descriptor duplicate(const Descriptor& fd, int min) noexcept {
  return Descriptor{fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, min) : -1};
}

bool shorten(std::string& path, Descriptor& directory) {
  const auto slash = path.rfind('/');
  const bool is_here = slash == path.npos;
  const auto parent = is_here ? std::string{"./"} : path.substr(0, slash + 1);
  directory.reset(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return false;
  path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" +
         path.substr(is_here ? 0 : slash + 1);
  return true;
}

void close_from(int first) noexcept {
  if (::close_range(static_cast<unsigned>(first), ~0U, 0) == 0 || close_listed_from(first)) return;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto max = std::min<rlim_t>(limit.rlim_cur, 1'048'576);
  for (rlim_t fd = static_cast<rlim_t>(first); fd < max; ++fd) ::close(static_cast<int>(fd));
}

}  // namespace dlock::runtime
