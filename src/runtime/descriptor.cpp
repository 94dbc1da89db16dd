// File descriptors: pipes, and closing many at once.
#include "runtime/descriptor.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Headers may be older than the call, which has this number on every architecture.
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace dlock::runtime {
namespace {

// By its number, since the C library may be older. False: the kernel is, or refuses it.
bool close_range(int first, int last, unsigned flags) noexcept {
  const auto past_all = last < 0 ? ~0U : static_cast<unsigned>(last);
  return ::syscall(SYS_close_range, static_cast<unsigned>(first), past_all, flags) == 0;
}

// The number that `name` is; -1: none.
int number(const char* name) noexcept {
  int value = 0;
  for (; *name >= '0' && *name <= '9'; ++name) value = value * 10 + (*name - '0');
  return *name == '\0' ? value : -1;
}

// What the kernel writes. C libraries differ in what they call it.
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[1];
};

// Calls `use` for the open descriptors from `first` to `last`, or to the end if that is negative.
// Where /proc does not list them it calls `use` for closed ones too, up to the limit, which may be
// 1,000,000,000, or lower than a descriptor that was opened before.
template <class Use>
void for_each_open(int first, int last, Use use) noexcept {
  const int list = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto max = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1'048'576));
    for (int fd = first; fd < max && (last < 0 || fd <= last); ++fd) use(fd);
    return;
  }
  alignas(DirectoryEntry) char entries[4096];
  for (;;) {
    const auto size = ::syscall(SYS_getdents64, list, entries, sizeof entries);
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      const char* const entry = entries + at;
      const int fd = number(entry + offsetof(DirectoryEntry, name));
      if (fd >= first && fd != list && (last < 0 || fd <= last)) use(fd);
      at += reinterpret_cast<const DirectoryEntry*>(entry)->length;
    }
  }
  ::close(list);
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
  if (close_range(first, -1, 0)) return;
  for_each_open(first, -1, [](int fd) { ::close(fd); });
}

void close_on_exec(int first, int last) noexcept {
  constexpr unsigned on_exec = 1U << 2;  // CLOSE_RANGE_CLOEXEC
  if (close_range(first, last, on_exec)) return;
  for_each_open(first, last, [](int fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0) ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  });
}

}  // namespace dlock::runtime
