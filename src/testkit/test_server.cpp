// A server for one test, which ends with its owner, however that ends.
#include "testkit/test_server.hpp"

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "dlock/error.hpp"
#include "local_server/local_server.hpp"
#include "local_server/server_program.hpp"

namespace dlock::testkit {
namespace {

using namespace std::chrono_literals;

// A shell runs the server and kills it when the other end of its descriptor 3 is closed, which the
// kernel does for a process that was killed, too.
constexpr auto watch = R"("$@" 3<&- & read -r _ <&3; kill -9 $!; wait $!)";

std::string make_directory() {
  auto path = (std::filesystem::temp_directory_path() / "dlock-test-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    throw Unreachable(errc::unreachable, "cannot create the test server's directory " + path);
  }
  return path;
}

runtime::Spawned spawn(const std::string& directory, int end, runtime::Deadline deadline) {
  std::vector<std::string> command{"/bin/sh", "-c", watch, "sh"};
  for (auto& word :
       local_server::server_command(local_server::find_server_program(), directory, false)) {
    command.push_back(std::move(word));
  }
  return runtime::spawn_detached(
      {std::move(command), local_server::server_environment(), directory, {end}}, deadline);
}

}  // namespace

TestServer::TestServer(runtime::Deadline deadline) : directory_(make_directory()), watcher_(0, {}) {
  runtime::Pipe pipe;
  if (!runtime::open_pipe(pipe))
    throw Unreachable(errc::unreachable, "cannot create a pipe for the test server");
  lifeline_ = std::move(pipe.write);
  try {
    watcher_ = spawn(directory_, pipe.read.get(), deadline);
    // It has written its process id when it answers.
    while (!local_server::executes({"PING"}, socket(), deadline)) {
      if (watcher_.end() || std::chrono::steady_clock::now() >= deadline) {
        throw Unreachable(errc::unreachable,
                          "the test server in " + directory_ + " does not start");
      }
      std::this_thread::sleep_for(2ms);
    }
  } catch (...) {
    lifeline_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
    throw;
  }
}

TestServer::~TestServer() {
  lifeline_.reset();
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (!watcher_.end() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string TestServer::socket() const {
  return directory_ + "/" + std::string{local_server::socket_name};
}

void TestServer::signal(int number) const {
  std::ifstream file{directory_ + "/" + std::string{local_server::pid_name}};
  pid_t pid = 0;
  if (file >> pid) ::kill(pid, number);
}

}  // namespace dlock::testkit
