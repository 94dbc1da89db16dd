// The claim to be a user's private server. The starter takes it, and the server inherits it.
#include "local_server/server_claim.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/file_lock.hpp"
#include "runtime/identity.hpp"
#include "runtime/process.hpp"

namespace dlock::local_server {
namespace {

// The same in every build of this library.
std::uint64_t digest(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;  // FNV-1a
  for (const char byte : text) {
    value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return value;
}

// Moves it away from the low numbers, which identify a server.
runtime::Descriptor away(const runtime::Descriptor& fd) {
  constexpr int min = 16;
  return runtime::duplicate(fd, min);
}

}  // namespace

std::string claim_name(const std::string& place) {
  auto name = "dlock/" + std::to_string(runtime::user_id()) + "/" + runtime::process_space();
  if (!place.empty()) name += "/" + std::to_string(digest(place));
  return name;
}

// False: the directory does not exist at the moment.
bool Claim::open_files() {
  const auto path = directory_ + "/server.lock";
  if (file_ && runtime::is_at(file_, path)) return true;
  file_ = away(runtime::open_lock_file(path));
  if (!file_ && errno == ENOENT) return false;
  if (!file_) {
    throw Unreachable(errc::unreachable,
                      "cannot open " + path + ": " + std::generic_category().message(errno));
  }
  folder_ = away(runtime::open_directory(directory_));
  return true;
}

bool Claim::try_take() {
  lacks_the_name_ = false;
  using runtime::FileLock;
  if (!open_files() || runtime::try_lock(file_) != FileLock::taken) return false;
  // Not every file system can lock a directory.
  if (folder_ && runtime::try_lock(folder_) == FileLock::held_by_another) return false;
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
  return !is_taken;  // a sandbox may forbid names: then the file locks must suffice
}

void Claim::let_go() {
  socket_.reset();
  file_.reset();
  folder_.reset();
}

std::vector<int> Claim::descriptors() const { return {socket_.get(), file_.get(), folder_.get()}; }

}  // namespace dlock::local_server
