// The claim to be a user's private server: its starter has it, and then the server itself.
#include "local_server/server_claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

// The same in every build of this library.
std::uint64_t digest(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;  // FNV-1a
  for (const char byte : text) {
    value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return value;
}

// Where the numbers of processes mean what they mean to us.
std::string process_space() {
  struct stat status{};
  (void)::stat("/proc/self/ns/pid", &status);
  return std::to_string(status.st_ino);
}

// Away from the low numbers, by which a server is known.
runtime::Descriptor away(const runtime::Descriptor& fd) {
  constexpr int lowest = 16;
  return runtime::Descriptor{fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, lowest) : -1};
}

runtime::Descriptor open_lock(const std::string& path) {
  const auto open = [&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  };
  runtime::Descriptor file{open()};
  // The directory is ours: what is in the way there was put there by a mistake.
  if (!file && (errno == EACCES || errno == ELOOP) && ::unlink(path.c_str()) == 0) {
    file.reset(open());
  }
  return file;
}

// It may have been removed since it was opened.
bool is_at(const runtime::Descriptor& file, const std::string& path) {
  struct stat ours{};
  struct stat there{};
  return ::fstat(file.get(), &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

bool is_held(int locked) { return locked != 0 && errno == EWOULDBLOCK; }

}  // namespace

std::string claim_name(const std::string& place) {
  auto name = "dlock/" + std::to_string(::geteuid()) + "/" + process_space();
  if (!place.empty()) name += "/" + std::to_string(digest(place));
  return name;
}

// False: the directory is not there just now.
bool Claim::open_files() {
  const auto path = directory_ + "/server.lock";
  if (file_ && is_at(file_, path)) return true;
  file_ = away(open_lock(path));
  if (!file_ && errno == ENOENT) return false;
  if (!file_) {
    throw Unreachable(errc::unreachable,
                      "cannot open " + path + ": " + std::generic_category().message(errno));
  }
  folder_ =
      away(runtime::Descriptor{::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)});
  return true;
}

bool Claim::try_take() {
  lacks_the_name_ = false;
  if (!open_files() || ::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Not every file system can do that.
  if (folder_ && is_held(::flock(folder_.get(), LOCK_EX | LOCK_NB))) return false;
  lacks_the_name_ = !try_take_the_name();
  return !lacks_the_name_;
}

bool Claim::try_take_the_name() {
  if (socket_ || !wants_name_) return true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name_.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
  socket_ = away(runtime::Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)});
  if (socket_ && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    return true;
  }
  const bool is_taken = socket_ && errno == EADDRINUSE;
  socket_.reset();
  return !is_taken;  // a sandbox may forbid names: then the locks must do
}

void Claim::let_go() {
  socket_.reset();
  file_.reset();
  folder_.reset();
}

std::vector<int> Claim::descriptors() const { return {socket_.get(), file_.get(), folder_.get()}; }

}  // namespace dlock::redis
