// A real redis-server of a test's own: a free port, a unix socket, a temporary directory.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::test {

/// Runs from construction (it answers then) to destruction, which kills it and removes its
/// directory. With the environment variable DLOCK_TEST_WAYS, clients see a lesser server, see
/// lesser_server.py. Dies with the test process, strictly speaking with the thread that started it:
/// start and restart it from threads that outlive it. `command` is thread-safe, the rest is not.
class RedisServer {
 public:
  struct Options {
    std::vector<std::string> config{};       ///< lines of redis.conf, after ours
    std::string preload{};                   ///< a library for LD_PRELOAD
    std::vector<std::string> environment{};  ///< more "NAME=value"
    bool persistent = false;                 ///< keeps its data over kill9() and restart()
    /// Of lesser_server.py, through which clients see the server; empty: DLOCK_TEST_WAYS, or none.
    std::string ways{};
  };

  RedisServer() : RedisServer(Options{}) {}
  /// Throws `std::runtime_error` with the end of the server's log when it does not come up.
  explicit RedisServer(Options options);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  [[nodiscard]] std::string url() const;       ///< redis://127.0.0.1:PORT, for clients
  [[nodiscard]] std::string unix_url() const;  ///< redis+unix:///...
  [[nodiscard]] std::string socket_path() const { return (directory_ / "redis.sock").string(); }
  [[nodiscard]] std::string client_socket_path() const {
    return lesser_pid_ > 0 ? (directory_ / "lesser.sock").string() : socket_path();
  }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }  ///< -1 when it does not run

  void set_ways(std::string_view ways);  ///< of the lesser server, which must be there
  void kill9();    ///< SIGKILL, and waits until it is gone; nothing if it does not run
  void stop();     ///< SIGSTOP, and waits until it stands still
  void cont();     ///< SIGCONT
  void restart();  ///< on the same port and directory; ends a running one properly first

  /// Runs one command on a connection of its own. The reply as text: integers in decimal, nil as
  /// "(nil)", the elements of an array (flattened) as lines. Throws `std::runtime_error` with the
  /// server's words for an error reply, and when there is no answer within 10 s.
  std::string command(std::initializer_list<std::string_view> fields) const {
    return command(std::span<const std::string_view>{fields.begin(), fields.size()});
  }
  std::string command(std::span<const std::string_view> fields) const;

 private:
  void start();
  [[nodiscard]] bool start_on(int port);
  void write_config(int port) const;
  [[nodiscard]] bool has_exited();
  void start_lesser_server(const std::string& ways);
  [[nodiscard]] std::string log_tail() const;

  Options options_;
  std::filesystem::path directory_;
  int port_ = 0;
  pid_t pid_ = -1;
  int lesser_port_ = 0;
  pid_t lesser_pid_ = -1;
};

}  // namespace dlock::test
