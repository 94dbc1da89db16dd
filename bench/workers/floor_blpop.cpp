// Floor: a token in a list. `BLPOP` takes it, `RPUSH` gives it back: the fastest hand-off that the
// server itself offers, without a lease. The runner puts the token there.
#include "workers/link.hpp"
#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class FloorBlpop : public Run {
 public:
  FloorBlpop(const Server& server, const Start& start) : start_(start) {
    for (int i = 0; i < start.workers; ++i) links_.emplace_back(server);
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(links_.size());
    in_threads(start_.workers, [&](int worker) {
      auto& link = links_[static_cast<std::size_t>(worker)];
      take_turns(
          start_, window, worker, result.samples[static_cast<std::size_t>(worker)],
          [&] { link.call({"BLPOP", start_.name, "0"}); },
          [&] { link.call({"RPUSH", start_.name, "token"}); });
    });
    return result;
  }

 private:
  Start start_;
  std::vector<Link> links_;
};

}  // namespace

std::unique_ptr<Run> make_floor_blpop(const Server& server, const Start& start) {
  return std::make_unique<FloorBlpop>(server, start);
}

}  // namespace dlock::bench
