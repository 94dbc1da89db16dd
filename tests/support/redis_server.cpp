// A real redis-server of a test's own: starting, stopping and asking it.
#include "support/redis_server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "support/checkout.hpp"
#include "support/rights.hpp"
#include "support/wait.hpp"
#include "support/wire.hpp"

namespace dlock::test {

namespace {

using namespace std::chrono_literals;

constexpr auto start_limit = 20s;
constexpr auto reply_limit = 10s;

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      fd >= 0 && ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
  const int problem = errno;
  if (fd >= 0) ::close(fd);
  if (!found) throw std::system_error(problem, std::generic_category(), "no free port");
  return ntohs(address.sin_port);
}

std::filesystem::path make_directory() {
  auto name = (std::filesystem::temp_directory_path() / "dlock-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  }
  return name;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

// These run in the child, between fork and exec: only calls that are safe in a signal handler.
void become_child_of(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);  // a Ctrl-C at the test is not for the server
}

[[noreturn]] void become_server(pid_t parent, int output, char* const* arguments,
                                char* const* environment) {
  become_child_of(parent);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execvpe("redis-server", arguments, environment);
  ::execvpe("valkey-server", arguments, environment);
  const char problem[] = "neither redis-server nor valkey-server can be run\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, problem, sizeof problem - 1);
  ::_exit(127);
}

bool answers(const std::string& socket) {
  try {
    return !Wire{socket, reply_limit}.call({"PING"}).is_error();
  } catch (const std::runtime_error&) {
    return false;
  }
}

void append_text(std::string& text, const redis::resp3::Value& value) {
  if (value.type() == redis::resp3::Type::null) text += "(nil)";
  text += value.text();
  bool first = true;
  for (const auto element : value) {
    if (!std::exchange(first, false)) text += '\n';
    append_text(text, element);
  }
}

// dlock silently does without some rights, but the server's log names them.
void expect_no_missing_right(const RedisServer& server) {
  try {
    auto refusals = server.command({"ACL", "LOG"});
    for (auto at = refusals.find("reason\n"); at != refusals.npos; at = refusals.find("reason\n")) {
      refusals.erase(0, at + 7);
      const auto entry = refusals.substr(0, refusals.find("reason\n"));
      if (entry.starts_with("auth\n")) continue;  // a wrong password is no missing right
      EXPECT_EQ(entry.find("\nusername\ndefault\n"), entry.npos) << entry;
    }
  } catch (const std::runtime_error& error) {
    std::cerr << "not known whether a right was missing: " << error.what() << '\n';
  }
}

}  // namespace

RedisServer::RedisServer(Options options)
    : options_(std::move(options)), directory_(make_directory()) {
  try {
    start();
    const char* const usual_ways = std::getenv("DLOCK_TEST_WAYS");
    if (options_.ways.empty() && usual_ways != nullptr) options_.ways = usual_ways;
    if (!options_.ways.empty()) start_lesser_server(options_.ways);
  } catch (...) {
    kill9();
    std::filesystem::remove_all(directory_);
    throw;
  }
}

RedisServer::~RedisServer() {
  if (rights_are_enforced() && pid_ > 0) {
    cont();
    expect_no_missing_right(*this);
  }
  if (lesser_pid_ > 0) {
    ::kill(lesser_pid_, SIGKILL);
    ::waitpid(lesser_pid_, nullptr, 0);
  }
  kill9();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string RedisServer::url() const {
  return "redis://127.0.0.1:" + std::to_string(lesser_pid_ > 0 ? lesser_port_ : port_);
}

std::string RedisServer::unix_url() const { return "redis+unix://" + socket_path(); }

void RedisServer::write_config(int port) const {
  std::ofstream config{directory_ / "redis.conf"};
  config << "bind 127.0.0.1\nport " << port << "\nunixsocket " << socket_path() << "\ndir "
         << directory_.string() << "\ndaemonize no\nsave \"\"\nenable-debug-command local\n";
  // A node of a cluster would take the port that is 10,000 higher, which need not be one.
  config << "cluster-port " << free_port() << '\n';
  if (options_.persistent) config << "appendonly yes\nappendfsync always\n";
  for (const auto& line : options_.config) config << line << '\n';
  if (rights_are_enforced()) {
    for (const auto& line : config_of_rights()) config << line << '\n';
  }
  if (!config.flush()) throw std::runtime_error("cannot write redis.conf");
}

void RedisServer::start() {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const int port = port_ != 0 ? port_ : free_port();
    if (start_on(port)) {
      port_ = port;
      return;
    }
    // Somebody took the port meanwhile; anything else fails again in the same way.
    if (log_tail().find("already in use") == std::string::npos) break;
  }
  throw std::runtime_error("the server did not start:\n" + log_tail());
}

bool RedisServer::start_on(int port) {
  write_config(port);
  std::filesystem::remove(socket_path());
  std::vector<std::string> arguments{"redis-server", (directory_ / "redis.conf").string()};
  std::vector<std::string> environment = options_.environment;
  if (!options_.preload.empty()) environment.push_back("LD_PRELOAD=" + options_.preload);
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  const int log =
      ::open((directory_ / "redis.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) throw std::system_error(errno, std::generic_category(), "redis.log");

  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    become_server(parent, log, argument_pointers.data(), environment_pointers.data());
  }
  const int problem = errno;
  ::close(log);
  if (pid_ < 0) throw std::system_error(problem, std::generic_category(), "fork");

  // The socket is bound after the port, so a server that answers there has both.
  bool up = false;
  (void)eventually([&] { return (up = answers(socket_path())) || has_exited(); }, start_limit);
  if (!up) kill9();
  return up;
}

void RedisServer::set_ways(std::string_view ways) {
  Wire{client_socket_path(), reply_limit}.call({"LESSER", ways});
}

void RedisServer::start_lesser_server(const std::string& ways) {
  const auto path = (directory_ / "lesser.sock").string();
  lesser_port_ = free_port();
  std::vector<std::string> arguments{source_path(".deps/python/bin/python").string(),
                                     source_path("tests/support/lesser_server.py").string(),
                                     ways,
                                     socket_path(),
                                     std::to_string(lesser_port_),
                                     path,
                                     "forever"};
  const auto argument_pointers = pointers(arguments);
  const pid_t parent = ::getpid();
  lesser_pid_ = ::fork();
  if (lesser_pid_ == 0) {
    become_child_of(parent);
    ::execv(argument_pointers[0], argument_pointers.data());
    ::_exit(127);
  }
  if (!eventually([&] { return answers(path); }, start_limit)) {
    throw std::runtime_error("the lesser server did not start");
  }
}

bool RedisServer::has_exited() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

void RedisServer::kill9() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void RedisServer::stop() {
  if (has_exited()) throw std::runtime_error("the server does not run");
  ::kill(pid_, SIGSTOP);
  while (::waitpid(pid_, nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}

void RedisServer::cont() {
  if (pid_ > 0) ::kill(pid_, SIGCONT);
}

void RedisServer::restart() {
  if (!has_exited()) {
    ::kill(pid_, SIGTERM);
    cont();
    (void)eventually([&] { return has_exited(); });
    kill9();
  }
  start();
}

std::string RedisServer::log_tail() const {
  std::ifstream log{directory_ / "redis.log"};
  const std::string text{std::istreambuf_iterator<char>{log}, {}};
  return text.substr(text.size() > 2000 ? text.size() - 2000 : 0);
}

std::string RedisServer::command(std::span<const std::string_view> fields) const {
  Wire wire{socket_path(), reply_limit};
  if (rights_are_enforced()) wire.call({"AUTH", "test", "any"});
  wire.append(fields);
  const auto reply = wire.read();
  std::string text;
  append_text(text, reply);
  if (reply.is_error()) throw std::runtime_error(text);
  return text;
}

}  // namespace dlock::test
