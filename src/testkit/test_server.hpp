// A server for one test, which ends with its owner, however that ends.
#pragma once

#include <string>

#include "runtime/deadline.hpp"
#include "runtime/spawn.hpp"

namespace dlock::testkit {

class TestServer {
 public:
  /// Returns when it answers. Throws `Unreachable`.
  explicit TestServer(runtime::Deadline deadline);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] std::string socket() const;
  /// Sends it a signal.
  void signal(int number) const;

 private:
  const std::string directory_;
  runtime::Descriptor lifeline_;  // the server lives for as long as this end of a pipe is open
  runtime::Spawned watcher_;
};

}  // namespace dlock::testkit
