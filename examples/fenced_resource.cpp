// A resource that checks the fence, so that a holder who comes too late does no harm.
//
//   fenced_resource [URL]
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <dlock/dlock.hpp>
#include <fstream>
#include <future>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

namespace {

/// Lets one writer at a time into a file, on this machine, for the length of one write.
class Exclusive {
 public:
  explicit Exclusive(const std::string& path)
      : fd_{::open((path + ".write").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) throw std::runtime_error{"cannot lock " + path};
  }
  ~Exclusive() { ::close(fd_); }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  int fd_;
};

/// The resource: a file with two lines, the highest fence that has written and the text. It knows
/// nothing of locks. What it does, a database does with `UPDATE ... WHERE fence <= ?`.
class FencedFile {
 public:
  explicit FencedFile(std::string path) : path_{std::move(path)} {}

  /// Writes `text` unless a later holder was here before; the check and the write are one step.
  bool write(std::int64_t fence, const std::string& text) {
    const Exclusive exclusive{path_};
    if (fence < highest_fence()) return false;
    std::ofstream{path_, std::ios::trunc} << fence << '\n' << text << '\n';
    return true;
  }

  [[nodiscard]] std::string text() const {
    std::ifstream file{path_};
    std::string line;
    std::getline(file, line);
    std::getline(file, line);
    return line;
  }

 private:
  [[nodiscard]] std::int64_t highest_fence() const {
    std::int64_t fence = 0;
    std::ifstream{path_} >> fence;
    return fence;
  }

  std::string path_;
};

void wait_for_loss(const dlock::Lease& lease) {
  std::promise<void> promise;
  const std::stop_callback on_loss{lease.lost(), [&] { promise.set_value(); }};
  promise.get_future().wait();
}

void report(const char* who, std::int64_t fence, bool written) {
  std::cout << who << ", fence " << fence << ": " << (written ? "written" : "refused") << '\n';
}

void run(std::string_view url, const std::string& path) {
  dlock::Client client{url};
  FencedFile account{path};

  // A lease that is not renewed stands for a holder that was stopped: it runs out.
  dlock::Lease late = dlock::Mutex{client, "account", {.ttl = 300ms, .renew = false}}.acquire();
  wait_for_loss(late);

  dlock::DistributedLock next{client, "account", {.ttl = 30s}};
  report("the next holder", next.fence(), account.write(next.fence(), "balance 80"));
  report("the late holder", late.fence(), account.write(late.fence(), "balance 90"));

  std::cout << "the file has: " << account.text() << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = "fenced_resource." + std::to_string(::getpid());
  int status = 0;
  try {
    run(argc > 1 ? std::string_view{argv[1]} : std::string_view{}, path);
  } catch (const std::exception& error) {
    std::cerr << "fenced_resource: " << error.what() << '\n';
    status = 1;
  }
  std::remove(path.c_str());
  std::remove((path + ".write").c_str());
  return status;
}
