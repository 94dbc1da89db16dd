// The private server behind `local:`: started once for this user, whoever comes first.
#include "redis/local_server.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>

#include "dlock/error.hpp"
#include "redis/connection.hpp"
#include "redis/dial.hpp"
#include "redis/runtime_directory.hpp"
#include "redis/server_program.hpp"
#include "redis/spawn.hpp"

namespace dlock::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto look_again = milliseconds{5};  // while another process starts the server

[[noreturn]] void unreachable(const std::string& what) {
  throw Unreachable(errc::unreachable, what);
}

std::string describe(int error) { return std::generic_category().message(error); }

std::string in(const std::string& directory, std::string_view name) {
  return std::string{directory}.append("/").append(name);
}

bool accepts(const std::string& socket, Deadline deadline) {
  try {
    ::close(dial_unix(socket, deadline));
    return true;
  } catch (const Unreachable&) {
    return false;
  }
}

bool has_server(const std::string& directory) {
  return what_is_wrong_with(directory).empty() &&
         accepts(in(directory, socket_name), steady_clock::now() + milliseconds{200});
}

// The right to start the server. The server inherits it and keeps it for as long as it lives, so
// there is never a second one, not even when a starter is killed half-way.
class StartLock {
 public:
  explicit StartLock(const std::string& directory)
      : fd_(::open(in(directory, "server.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                   0600)) {
    if (fd_ < 0) unreachable("cannot open " + in(directory, "server.lock: ") + describe(errno));
  }
  ~StartLock() { ::close(fd_); }
  StartLock(const StartLock&) = delete;
  StartLock& operator=(const StartLock&) = delete;
  [[nodiscard]] bool try_lock() const { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// The last lines of the server's log, for an error message.
std::string end_of_log(const std::string& directory) {
  constexpr std::streamoff most = 600;
  std::ifstream log{in(directory, log_name), std::ios::binary | std::ios::ate};
  if (!log) return {};
  const auto size = static_cast<std::streamoff>(log.tellg());
  log.seekg(std::max<std::streamoff>(0, size - most));
  std::string text{std::istreambuf_iterator<char>{log}, {}};
  if (size > most) text.erase(0, text.find('\n') + 1);
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? text : "; the end of its log:\n" + text;
}

std::string pid_of(const std::string& directory) {
  std::ifstream file{in(directory, pid_name)};
  long pid = 0;
  return file >> pid ? "pid " + std::to_string(pid) : "of unknown pid";
}

// Whether the server has its data in memory again and answers.
bool answers(const std::string& socket, Deadline deadline) {
  try {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    Connection::Settings settings;
    settings.endpoint.kind = Endpoint::Kind::unix_socket;
    settings.endpoint.path = socket;
    settings.connect_timeout = left;
    return Connection::open(settings)->call({"PING"}, left).kind == ReplyView::Kind::text;
  } catch (const Error&) {
    return false;
  }
}

// Starts the server, hands it `lock`, and waits until it answers. It replaces a dead one's socket.
void start(const std::string& directory, std::optional<StartLock>& lock, Deadline deadline) {
  const auto program = find_server_program();
  const auto socket = in(directory, socket_name);
  const int error = spawn_detached(server_command(program), directory, lock->fd(), deadline);
  if (error != 0) {
    unreachable("the private server " + program + " cannot be started: " + describe(error));
  }
  lock.reset();
  while (!answers(socket, deadline)) {
    if (StartLock{directory}.try_lock()) {  // free again: the server has ended
      unreachable("the private server " + program + " in " + directory + " ended at once" +
                  end_of_log(directory));
    }
    if (steady_clock::now() >= deadline) {
      unreachable("the private server in " + directory + " does not answer in time" +
                  end_of_log(directory));
    }
    std::this_thread::sleep_for(look_again);
  }
}

}  // namespace

std::string ensure_local_server(const std::string& directory, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  auto home = directory.empty() ? choose_directory(RuntimePlaces::of_this_process(), has_server)
                                : directory;
  while (home.size() > 1 && home.ends_with('/')) home.pop_back();
  prepare_directory(home);
  auto socket = in(home, socket_name);
  if (accepts(socket, deadline)) return socket;
  std::optional<StartLock> lock{home};
  for (;;) {
    const bool ours = lock->try_lock();
    // Looked at after the lock: whoever had it before us may have started the server.
    if (accepts(socket, deadline)) return socket;
    if (ours) break;
    if (steady_clock::now() >= deadline) {
      unreachable("the private server in " + home + " (" + pid_of(home) +
                  ") runs but does not answer; stop that process" + end_of_log(home));
    }
    std::this_thread::sleep_for(look_again);
  }
  start(home, lock, deadline);
  return socket;
}

}  // namespace dlock::redis
