// The wall clock of a server under test: the file that clock_shim.c reads.
#include "support/frozen_clock.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "support/checkout.hpp"

namespace dlock::test {

namespace {

constexpr std::int64_t start_us = 1'750'000'000'123'456;

}  // namespace

FrozenClock::FrozenClock()
    : file_((std::filesystem::temp_directory_path() / "dlock-clock-XXXXXX").string()) {
  const int fd = ::mkostemp(file_.data(), O_CLOEXEC);
  void* memory = MAP_FAILED;
  if (fd >= 0 && ::ftruncate(fd, sizeof *us_) == 0) {
    memory = ::mmap(nullptr, sizeof *us_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  const int problem = errno;
  if (fd >= 0) ::close(fd);
  if (memory == MAP_FAILED) {
    throw std::system_error(problem, std::generic_category(), "clock file " + file_);
  }
  us_ = new (memory) std::atomic<std::int64_t>{start_us};
}

FrozenClock::~FrozenClock() {
  ::munmap(us_, sizeof *us_);
  ::unlink(file_.c_str());
}

std::chrono::microseconds FrozenClock::now() const noexcept {
  return std::chrono::microseconds{us_->load()};
}

void FrozenClock::set(std::chrono::microseconds since_epoch) noexcept {
  us_->store(since_epoch.count());
}

RedisServer::Options FrozenClock::options() const {
  RedisServer::Options options;
  options.preload = clock_shim().string();
  options.environment = {"DLOCK_CLOCK_FILE=" + file_};
  return options;
}

}  // namespace dlock::test
