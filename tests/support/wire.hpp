// A blocking connection to a server: commands out, values in, and nothing else.
#pragma once

#include <chrono>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "redis/resp3.hpp"

namespace dlock::test {

/// Throws `std::runtime_error` when the connection breaks or stays silent for longer than its
/// limit.
class Wire {
 public:
  static constexpr std::chrono::seconds no_limit{0};

  Wire(const std::string& unix_socket, std::chrono::seconds limit);
  Wire(int port, std::chrono::seconds limit);  ///< of 127.0.0.1
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void append(std::span<const std::string_view> fields);  ///< leaves with the next `read`
  /// The next reply or push, valid until the next call.
  redis::resp3::Value read();
  redis::resp3::Value call(std::initializer_list<std::string_view> fields) {
    append({fields.begin(), fields.size()});
    return read();
  }

 private:
  void connect(const void* address, std::size_t size, std::chrono::seconds limit);
  void write();

  int fd_ = -1;
  std::string output_;
  redis::resp3::Reader reader_;
};

}  // namespace dlock::test
