// The record of a client process of the fault tests, in the format of history.py.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>

namespace dlock::test {

/// Microseconds of CLOCK_BOOTTIME.
inline std::int64_t boot_us() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

/// As a JSON string. Control characters, which none of ours has, are left out.
inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) >= ' ') result += c;
  }
  return result + '"';
}

/// The records of this process, each of which is in its file when the call returns. Also notes when
/// nothing of the process ran, by a thread that looks at the clock. Thread-safe.
class Records {
 public:
  Records(const std::string& directory, const std::string& name, bool is_command)
      : file_(::open((directory + '/' + name + ".jsonl").c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) throw std::runtime_error{"no file for records in " + directory};
    say("start", "\"pid\":" + std::to_string(::getpid()) +
                     (is_command ? ",\"command\":true" : std::string{}));
    // The process may be stopped before the thread has run at all.
    watch_ = std::jthread{
        [this, begin = boot_us()](const std::stop_token& stop) { watch(stop, begin); }};
  }
  ~Records() {
    watch_.request_stop();
    watch_.join();
    ::close(file_);
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  /// `more`: further members of the JSON object.
  void say(const std::string& event, const std::string& more, std::int64_t at = boot_us()) {
    const std::string line = "{\"e\":" + quoted(event) + ",\"at\":" + std::to_string(at) +
                             (more.empty() ? "" : ",") + more + "}\n";
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      throw std::runtime_error{"a record cannot be written"};
    }
  }

 private:
  static constexpr std::int64_t beat_us = 5'000;

  void watch(const std::stop_token& stop, std::int64_t last) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::microseconds{beat_us});
      const std::int64_t now = boot_us();
      if (now - last > 4 * beat_us) say("stall", "\"since\":" + std::to_string(last), now);
      last = now;
    }
  }

  int file_;
  std::jthread watch_;
};

}  // namespace dlock::test
