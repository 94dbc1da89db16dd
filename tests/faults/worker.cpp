// A client process of the fault tests: acquires, writes to the guarded resource, releases, and
// records all of it.
//
//   worker loop URL DIRECTORY TTL_MS THREADS LOCK...   until SIGTERM
//   worker puppet URL DIRECTORY TTL_MS NAME            as stdin says: see `obey`
//   worker command DIRECTORY                           what `dlock run` runs: writes until its time
//   is up
//
// DIRECTORY is where records go, and has the socket of the resource. A LOCK is a mutex `NAME`,
// a reader-writer lock `NAME:shared`, or a semaphore `NAME:PERMITS`.
#include <sys/socket.h>
#include <sys/un.h>
#include <dlock/dlock.hpp>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "record.hpp"

using namespace std::chrono_literals;

namespace dlock::test {
namespace {

std::atomic<bool> ending{false};

/// The guarded resource, in another process.
class Resource {
 public:
  explicit Resource(const std::string& directory)
      : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory + "/resource").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error{"no resource in " + directory};
    }
  }
  ~Resource() { ::close(socket_); }
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  /// Whether it was accepted.
  bool write(const std::string& lock, const std::string& id, std::int64_t fence) {
    const std::string request = lock + ' ' + id + ' ' + std::to_string(fence);
    char reply = 0;
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0 ||
        ::recv(socket_, &reply, 1, 0) != 1) {
      throw std::runtime_error{"the resource does not answer"};
    }
    return reply == 'y';
  }

 private:
  int socket_;
};

/// How much of its lock a holder takes. Only who takes all writes to the resource.
struct Share {
  std::int64_t weight = 1, capacity = 1;
  [[nodiscard]] bool is_all() const { return weight == capacity; }
  [[nodiscard]] std::string members() const {
    return ",\"weight\":" + std::to_string(weight) + ",\"capacity\":" + std::to_string(capacity);
  }
};

/// A way to hold a lock.
struct Way {
  std::string lock;
  Share share;
  LeaseSource source;
};

/// A wait, and the lease that comes of it.
class Turn {
 public:
  explicit Turn(Records& records, const Way& way)
      : records_(records), lock_(way.lock), share_(way.share) {
    static std::atomic<int> count{0};
    id_ = std::to_string(::getpid()) + '.' + std::to_string(++count);
    asked_ = boot_us();
    records_.say("ask", me() + lock_member(), asked_);
  }

  /// False if the wait ended with an error.
  bool acquire(const Way& way) {
    try {
      lease_.emplace(way.source.acquire());
    } catch (const Error& error) {
      fail(error);
      return false;
    }
    // First the validity, then the clock: the end that is written down is not after the real one.
    const std::string valid_until = until();
    records_.say("acquired", me() + lock_member() + fence_member() + share_.members() +
                                 ",\"asked\":" + std::to_string(asked_) + valid_until);
    on_loss_.emplace(lease_->lost(), [this] { records_.say("lost", me()); });
    return true;
  }

  [[nodiscard]] bool held() const { return lease_->held(); }

  /// True also for who may not write.
  bool write(Resource& resource) {
    if (lease_->held()) {
      records_.say("valid", me() + until());
    }
    return !share_.is_all() || resource.write(lock_, id_, lease_->fence());
  }

  void release() {
    records_.say("releasing", me());
    try {
      lease_->release();
    } catch (const Error& error) {
      fail(error);
    }
    on_loss_.reset();
    lease_.reset();
  }

  [[nodiscard]] std::int64_t fence() const { return lease_->fence(); }

 private:
  [[nodiscard]] std::string me() const { return "\"id\":" + quoted(id_); }
  [[nodiscard]] std::string lock_member() const { return ",\"lock\":" + quoted(lock_); }
  [[nodiscard]] std::string fence_member() const {
    return ",\"fence\":" + std::to_string(lease_->fence());
  }
  [[nodiscard]] std::string until() const {
    const std::int64_t now = boot_us();
    return ",\"until\":" + std::to_string(now + lease_->valid_for() / 1us);
  }
  void fail(const Error& error) {
    records_.say("failed",
                 me() + ",\"why\":" + quoted(error.code().message() + ": " + error.what()));
  }

  Records& records_;
  std::string lock_;
  Share share_;
  std::string id_;
  std::int64_t asked_;
  std::optional<Lease> lease_;
  std::optional<std::stop_callback<std::function<void()>>> on_loss_;
};

/// All ways to hold `lock`.
std::vector<Way> ways_of(Client& client, const std::string& lock, std::chrono::milliseconds ttl) {
  const auto colon = lock.find(':');
  const auto name = lock.substr(0, colon);
  const LockOptions options{.ttl = ttl};
  if (colon == std::string::npos) {
    return {{name, {}, Mutex{client, name, options}}};
  }
  const auto kind = lock.substr(colon + 1);
  if (kind == "shared") {
    constexpr std::int64_t many = 1000;
    const SharedMutex mutex{client, name, options};
    return {{name, {many, many}, mutex.writer()}, {name, {1, many}, mutex.reader()}};
  }
  const auto permits = std::stoll(kind);
  const Semaphore semaphore{client, name, permits, options};
  std::vector<Way> ways;
  for (std::int64_t weight = 1; weight <= permits; ++weight) {
    ways.push_back({name, {weight, permits}, semaphore.permits(weight)});
  }
  return ways;
}

void take_turns(Records& records, Client& client, const std::string& directory,
                std::chrono::milliseconds ttl, const std::vector<std::string>& locks) {
  Resource resource{directory};
  std::minstd_rand chance{std::random_device{}()};
  std::vector<std::vector<Way>> all;
  for (const std::string& lock : locks) {
    all.push_back(ways_of(client, lock, ttl));
  }
  while (!ending) {
    const auto& ways = all[chance() % all.size()];
    const Way& way = ways[chance() % ways.size()];
    Turn turn{records, way};
    if (!turn.acquire(way)) {
      std::this_thread::sleep_for(20ms);  // the next try may be as quick to fail
      continue;
    }
    // Most are short; some last until they have been renewed.
    for (auto left = chance() % 16 == 0 ? ttl / 20ms : chance() % 3; left > 0 && turn.held();
         --left) {
      turn.write(resource);
      std::this_thread::sleep_for(std::chrono::milliseconds{chance() % 20});
    }
    turn.release();
  }
}

/// Commands, one a line, each with an answer: `acquire` (its fence, or 0), `write` without asking
/// whether it still holds (y or n), `release`.
void obey(Records& records, Client& client, Resource& resource, std::chrono::milliseconds ttl,
          const std::string& lock) {
  const auto way = ways_of(client, lock, ttl).front();
  std::optional<Turn> turn;
  for (std::string word; std::cin >> word;) {
    if (word == "acquire") {
      turn.emplace(records, way);
      std::cout << (turn->acquire(way) ? turn->fence() : 0) << std::endl;
    } else if (word == "write") {
      std::cout << (turn->write(resource) ? 'y' : 'n') << std::endl;
    } else if (word == "release") {
      turn->release();
      std::cout << "released" << std::endl;
    }
  }
}

/// The holder of what $DLOCK_NAME, $DLOCK_FENCE, $FAULTS_ASKED (when the wait began) and
/// $FAULTS_WEIGHT and $FAULTS_CAPACITY say.
void write_as_command(Records& records, Resource& resource) {
  const std::string lock = std::getenv("DLOCK_NAME");
  const std::string fence = std::getenv("DLOCK_FENCE");
  const Share share{std::stoll(std::getenv("FAULTS_WEIGHT")),
                    std::stoll(std::getenv("FAULTS_CAPACITY"))};
  const std::string id = std::to_string(::getpid()) + ".1";
  const auto alive = [] { return ",\"until\":" + std::to_string(boot_us()); };
  const std::string me = "\"id\":" + quoted(id);
  records.say("acquired", me + ",\"lock\":" + quoted(lock) + ",\"fence\":" + fence +
                              share.members() + ",\"asked\":" + std::getenv("FAULTS_ASKED") +
                              alive());
  std::minstd_rand chance{std::random_device{}()};
  for (auto left = chance() % 8 == 0 ? 50 : chance() % 3; left > 0 && !ending; --left) {
    records.say("valid", me + alive());
    if (share.is_all()) resource.write(lock, id, std::stoll(fence));
    std::this_thread::sleep_for(std::chrono::milliseconds{chance() % 20});
  }
  records.say("releasing", me);
}

int run(const std::vector<std::string>& words) {
  const bool is_command = words.at(0) == "command";
  const std::string& directory = words.at(is_command ? 1 : 2);
  Records records{directory, words[0] + '-' + std::to_string(::getpid()), is_command};
  Resource resource{directory};
  if (is_command) {
    write_as_command(records, resource);
  } else {
    const std::chrono::milliseconds ttl{std::stoi(words.at(3))};
    Client client{words.at(1)};
    if (words[0] == "puppet") {
      obey(records, client, resource, ttl, words.at(4));
    } else {
      const std::vector<std::string> locks{words.begin() + 5, words.end()};
      std::vector<std::jthread> threads;
      for (int i = std::stoi(words.at(4)); i > 0; --i) {
        threads.emplace_back([&] { take_turns(records, client, directory, ttl, locks); });
      }
    }
  }
  records.say("end", "");
  return 0;
}

}  // namespace
}  // namespace dlock::test

int main(int count, char** words) {
  struct sigaction on_term{};
  on_term.sa_handler = [](int) { dlock::test::ending = true; };
  on_term.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &on_term, nullptr);
  try {
    return dlock::test::run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::cerr << "worker: " << error.what() << '\n';
    return 1;
  }
}
