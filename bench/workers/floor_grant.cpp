// Floor: dlock's scripts called by the least program that uses them: no timers, no renewal, no
// recovery. What dlock's client adds is what it loses against this.
#include <unistd.h>

#include <cstdio>

#include "script/scripts.hpp"
#include "workers/link.hpp"
#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class Waiter {
 public:
  Waiter(const Server& server, const Start& start, int worker)
      : link_(server),
        key_(start.name_of(worker)),
        queue_("dlock1:qw:{" + key_ + '}'),
        seen_("dlock1:sw:{" + key_ + '}'),
        ttl_(std::to_string(start.ttl.count())),
        claim_(std::to_string(std::min<std::int64_t>(3000, start.ttl.count()))),
        acquire_sha_(script::acquire.sha),
        release_sha_(script::release.sha) {
    char id[17];
    std::snprintf(id, sizeof id, "%08x%08x", static_cast<unsigned>(::getpid()),
                  static_cast<unsigned>(worker));
    client_ = id;
    seal_ = std::to_string((1ULL << 52U) + static_cast<unsigned>(worker)) + ".6755399441055744";
    link_.call({"HELLO", "3"});
    load(link_, script::acquire.text);
    load(link_, script::release.text);
    link_.call({"SSUBSCRIBE", "dlock1:c:" + client_});
  }

  void acquire() {
    char random[33];
    std::snprintf(random, sizeof random, "%032llx", static_cast<unsigned long long>(++number_));
    token_ = "dlock1:" + client_ + ':' + random + ':' + claim_;
    link_.append({"EVALSHA", acquire_sha_, "4", key_, queue_, seen_, "dlock1:fence", token_, ttl_,
                  "wait", "", "", "", seal_});
    // A grant may come before the reply that says queued: count both.
    bool granted = false;
    bool queued = false;
    while (!granted || !queued) {
      const auto reply = link_.read();
      if (reply.type() == redis::resp3::Type::push) {
        granted = granted || is_grant(reply);
      } else {
        queued = true;
        granted = granted || reply.text().substr(9, 8) == "acquired";
      }
    }
  }

  void release() {
    link_.append({"EVALSHA", release_sha_, "4", key_, queue_, seen_, "dlock1:fence", token_});
    while (link_.read().type() == redis::resp3::Type::push) {
    }
  }

 private:
  [[nodiscard]] bool is_grant(const Link::Reply& push) const {
    const auto text = push[2].text();
    return text.starts_with("grant ") && text.substr(6, token_.size()) == token_;
  }

  Link link_;
  std::string key_;
  std::string queue_;
  std::string seen_;
  std::string ttl_;
  std::string claim_;
  std::string acquire_sha_;
  std::string release_sha_;
  std::string client_;
  std::string seal_;  // as long as one of dlock's
  std::string token_;
  std::uint64_t number_ = 0;
};

class FloorGrant : public Run {
 public:
  FloorGrant(const Server& server, const Start& start) : start_(start) {
    for (int worker = 0; worker < start.workers; ++worker) {
      waiters_.push_back(std::make_unique<Waiter>(server, start, worker));
    }
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(waiters_.size());
    in_threads(start_.workers, [&](int worker) {
      auto& waiter = *waiters_[static_cast<std::size_t>(worker)];
      take_turns(
          start_, window, worker, result.samples[static_cast<std::size_t>(worker)],
          [&] { waiter.acquire(); }, [&] { waiter.release(); });
    });
    return result;
  }

 private:
  Start start_;
  std::vector<std::unique_ptr<Waiter>> waiters_;
};

}  // namespace

std::unique_ptr<Run> make_floor_grant(const Server& server, const Start& start) {
  return std::make_unique<FloorGrant>(server, start);
}

}  // namespace dlock::bench
