// Floor: `SET NX PX` and compare-and-delete, blocking, a connection for each worker.
#include "workers/link.hpp"
#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class FloorPair : public Run {
 public:
  FloorPair(const Server& server, const Start& start) : start_(start) {
    for (int i = 0; i < start.workers; ++i) links_.emplace_back(server);
    sha_ = load(links_[0], compare_and_delete);
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(links_.size());
    in_threads(start_.workers, [&](int worker) {
      auto& link = links_[static_cast<std::size_t>(worker)];
      const auto name = start_.name_of(worker);
      const auto ttl = std::to_string(start_.ttl.count());
      std::uint64_t number = 0;
      std::string token;
      take_turns(
          start_, window, worker, result.samples[static_cast<std::size_t>(worker)],
          [&] {
            token = "token-of-about-the-usual-length-" + std::to_string(++number);
            link.call({"SET", name, token, "NX", "PX", ttl});
          },
          [&] { link.call({"EVALSHA", sha_, "1", name, token}); });
    });
    return result;
  }

 private:
  Start start_;
  std::vector<Link> links_;
  std::string sha_;
};

}  // namespace

std::unique_ptr<Run> make_floor_pair(const Server& server, const Start& start) {
  return std::make_unique<FloorPair>(server, start);
}

}  // namespace dlock::bench
