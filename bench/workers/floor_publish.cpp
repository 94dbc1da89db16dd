// Floor: `PUBLISH` to one subscriber, one way. A sample runs from the write to the arrival; the
// next message leaves when the one before has arrived and its reply was read.
#include <atomic>
#include <semaphore>

#include "workers/link.hpp"
#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class FloorPublish : public Run {
 public:
  FloorPublish(const Server& server, const Start& start)
      : start_(start), publisher_(server), subscriber_(server) {
    subscriber_.call({"SUBSCRIBE", start_.name});
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(1);
    std::int64_t arrived_at = 0;
    std::atomic<bool> last = false;  // set before the last message leaves
    std::binary_semaphore arrived{0};
    std::jthread listener{[&] {
      for (bool over = false; !over;) {
        subscriber_.read();
        arrived_at = now_ns();
        over = last;  // before `release`, after which it is said of the next message
        arrived.release();
      }
    }};
    sleep_until(window.begin);
    while (!last) {
      const auto sent = now_ns();
      last = sent >= window.end;
      publisher_.append({"PUBLISH", start_.name, "message"});
      publisher_.read();
      arrived.acquire();
      result.samples[0].push_back({0, sent, arrived_at, arrived_at, arrived_at});
    }
    return result;
  }

 private:
  Start start_;
  Link publisher_;
  Link subscriber_;
};

}  // namespace

std::unique_ptr<Run> make_floor_publish(const Server& server, const Start& start) {
  return std::make_unique<FloorPublish>(server, start);
}

}  // namespace dlock::bench
