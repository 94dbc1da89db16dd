// The private server behind `local:`: the first program of a user starts it.
#include "local_server/local_server.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "dlock/error.hpp"
#include "local_server/server_claim.hpp"
#include "local_server/server_directory.hpp"
#include "local_server/server_leftovers.hpp"
#include "local_server/server_process.hpp"
#include "local_server/server_program.hpp"
#include "redis/dial.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/file_system.hpp"
#include "runtime/identity.hpp"
#include "runtime/spawn.hpp"

namespace dlock::local_server {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto look_again = milliseconds{5};  // while another process starts the server
constexpr int start_factor = 4;

[[noreturn]] void unreachable(const std::string& what) {
  throw Unreachable(errc::unreachable, what);
}

std::string describe(int error) { return std::generic_category().message(error); }

std::string in(const std::string& directory, std::string_view name) {
  return std::string{directory}.append("/").append(name);
}

bool accepts(const std::string& socket, Deadline deadline) {
  try {
    const runtime::Descriptor connected{redis::dial_unix(socket, deadline)};
    return true;
  } catch (const Unreachable&) {
    return false;
  }
}

bool has_server(const std::string& directory) {
  return what_is_wrong_with(directory).empty() &&
         accepts(in(directory, socket_name), steady_clock::now() + milliseconds{200});
}

// The last lines of the server's log, for an error message.
std::string end_of_log(const std::string& directory) {
  constexpr std::streamoff max = 600;
  std::ifstream log{in(directory, log_name), std::ios::binary | std::ios::ate};
  if (!log) return {};
  const auto size = static_cast<std::streamoff>(log.tellg());
  log.seekg(std::max<std::streamoff>(0, size - max));
  std::string text{std::istreambuf_iterator<char>{log}, {}};
  if (size > max) text.erase(0, text.find('\n') + 1);
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? text : "; the end of its log:\n" + text;
}

std::string pid_of(const std::string& directory) {
  std::ifstream file{in(directory, pid_name)};
  long pid = 0;
  return file >> pid ? "pid " + std::to_string(pid) : "pid unknown";
}

// Whether the disk has room for the server's data.
bool has_room(const std::string& directory) {
  constexpr std::uint64_t min_room = 64 * 1024;
  return runtime::free_bytes(directory).value_or(min_room) >= min_room;
}

std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string given_directory(const std::string& directory) {
  if (!directory.empty()) return without_end_slashes(directory);
  const char* const value = std::getenv("DLOCK_LOCAL_DIR");
  if (value == nullptr || *value == '\0') return {};
  if (*value == '/') return without_end_slashes(value);
  unreachable("DLOCK_LOCAL_DIR is " + std::string{value} +
              ", which is not an absolute path; correct or unset it");
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error).string();
  return error ? path : real;
}

// The attempts to start a server that ends at once. Each one uses less of the old data.
class Recovery {
 public:
  explicit Recovery(const std::string& directory) : directory_(directory) {}

  // To be called with the claim.
  void prepare() {
    if (failures_ == 1) cut_off_broken_ends(directory_);
    if (failures_ == 2 && aside_.empty()) aside_ = set_aside(directory_);
  }
  [[nodiscard]] bool keeps_data() const { return failures_ < 3; }
  // Takes the server's exit status. Returns whether there is more to try.
  bool fails(int end) {
    // A server that cannot use its data exits with 1, or crashes. If it was killed, the data is not
    // the reason.
    if (end == -1 || (WIFSIGNALED(end) && !is_crash(WTERMSIG(end)))) return ++kills_ < 3;
    return (WIFSIGNALED(end) || WEXITSTATUS(end) == 1) && ++failures_ <= 3;
  }
  void undo() {
    if (!aside_.empty()) put_back(directory_, aside_);
  }

 private:
  static bool is_crash(int signal) {
    return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL ||
           signal == SIGFPE;
  }

  const std::string directory_;
  int failures_ = 0;
  int kills_ = 0;
  std::string aside_;
};

// Looks for the server of a claim when no file leads to it.
class Search {
 public:
  explicit Search(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] bool is_due(bool lacks_the_name) const {
    return steady_clock::now() >= (lacks_the_name && !looked_ ? start_ : next_);
  }
  // A path to its socket. Empty: not yet.
  std::string look(Claim& claim, Deadline deadline) {
    looked_ = true;
    const auto former = std::exchange(found_, find_claimants(name_));
    auto path = find_socket_of(found_.servers, std::min(deadline, steady_clock::now() + 1s));
    // Only if two looks agree: a server that is about to start looks like this for a moment.
    if (path.empty() && found_.socket == former.socket) {
      if (claim.lacks_the_name() && found_.are_strangers()) claim.renounce_the_name();
      if (std::ranges::all_of(found_.servers, is_abandoned)) {
        for (const auto pid : found_.servers) ::kill(pid, SIGKILL);
      }
    }
    next_ = steady_clock::now() + interval;
    return path;
  }
  // Why there is no server after all this time.
  [[nodiscard]] std::string problem(const std::string& directory) const {
    if (found_.servers.empty() && !found_.socket.empty()) {
      return "the private server of this user runs, or is starting, where this program cannot "
             "reach "
             "it; stop it, or use a local:/directory that all its programs can see";
    }
    const auto pid = found_.servers.empty() ? pid_of(directory)
                                            : "pid " + std::to_string(found_.servers.front());
    return "the private server in " + directory + " (" + pid +
           ") runs but does not answer; stop that process";
  }

 private:
  static constexpr milliseconds interval{50};

  const std::string name_;
  const Deadline start_ = steady_clock::now();
  Deadline next_ = start_ + 2 * interval;
  bool looked_ = false;
  Claimants found_;
};

// Starts the server, which takes over the claim, and waits until it answers. Returns its status if
// it ended.
std::optional<int> start(const std::string& directory, Claim& claim, const std::string& program,
                         bool keeps_data, Deadline deadline) {
  const auto spawned =
      runtime::spawn_detached({server_command(program, directory, keeps_data), server_environment(),
                               directory, claim.descriptors()},
                              deadline);
  if (spawned.error() != 0) {
    unreachable("the private server " + program +
                " cannot be started: " + describe(spawned.error()));
  }
  claim.let_go();
  const auto socket = in(directory, socket_name);
  while (!executes({"PING"}, socket, deadline)) {
    if (const auto end = spawned.end()) return end;
    if (steady_clock::now() >= deadline) {
      unreachable("the private server in " + directory + " does not answer in time" +
                  end_of_log(directory));
    }
    std::this_thread::sleep_for(look_again);
  }
  // A server that cannot write would refuse locks.
  if (!has_room(directory)) (void)executes({"CONFIG", "SET", "appendonly", "no"}, socket, deadline);
  return {};
}

// Starts the server after the next step of the recovery. False: there is another step to try.
bool start_somehow(const std::string& directory, Claim& claim, Recovery& recovery,
                   Deadline deadline) {
  const auto program = find_server_program();
  recovery.prepare();
  const auto end = start(directory, claim, program, recovery.keeps_data(), deadline);
  if (!end) return true;
  if (recovery.fails(*end)) return false;
  const auto log = end_of_log(directory);
  if (claim.try_take()) recovery.undo();
  unreachable("the private server " + program + " in " + directory + " ended at its start" + log);
}

std::string former_server(uid_t user) {
  for (const auto& directory : former_directories(user)) {
    if (has_server(directory)) return in(directory, socket_name);
  }
  return {};
}

}  // namespace

bool executes(std::initializer_list<std::string_view> command, const std::string& socket,
              Deadline deadline) {
  try {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    redis::Connection::Settings settings;
    settings.endpoint.kind = redis::Endpoint::Kind::unix_socket;
    settings.endpoint.path = socket;
    settings.connect_timeout = left;
    return redis::Connection::open(settings)->call(command, left).kind ==
           redis::ReplyView::Kind::text;
  } catch (const Error&) {
    return false;
  }
}

std::string ensure_local_server(const std::string& directory, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  const auto user = runtime::user_id();
  auto home = given_directory(directory);
  const bool is_given = !home.empty();
  if (is_given) {
    prepare_directory(home);
    if (accepts(in(home, socket_name), deadline)) return in(home, socket_name);
  }
  const auto usual = usual_directories(runtime::home_of(user), user);
  if (!is_given) {
    for (const auto& place : usual) {
      if (has_server(place)) return in(place, socket_name);
    }
    home = prepare_usual(usual);
  }
  const auto same = [&](const std::string& place) { return canonical(place) == canonical(home); };
  const auto name = claim_name(std::ranges::any_of(usual, same) ? "" : canonical(home));
  auto socket = in(home, socket_name);
  Claim claim{home, name};
  Search search{name};
  Recovery recovery{home};
  for (;;) {
    const bool ours = claim.try_take();
    // Checked after the claim: its former owner may have started the server.
    if (accepts(socket, deadline)) return socket;
    if (auto former = is_given ? "" : former_server(user); !former.empty()) return former;
    if (ours) {
      // A server writes its first files before it answers, which takes seconds on a busy disk.
      const auto started_by = steady_clock::now() + start_factor * timeout;
      if (start_somehow(home, claim, recovery, started_by)) return socket;
    } else if (search.is_due(claim.lacks_the_name())) {
      if (auto path = search.look(claim, deadline); !path.empty()) return path;
    }
    if (steady_clock::now() >= deadline) unreachable(search.problem(home) + end_of_log(home));
    if (ours) continue;
    std::this_thread::sleep_for(look_again);
    if (is_given) prepare_directory(home);  // it may have been removed
  }
}

redis::LocalSocket find_local_server(const std::string& directory, milliseconds timeout) {
  auto path = ensure_local_server(directory, timeout);
  auto hold = runtime::hold_on_to(path);
  return {std::move(path), std::move(hold)};
}

}  // namespace dlock::local_server
