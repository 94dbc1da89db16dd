// Floor: `SET NX PX` and compare-and-delete of many workers, all on one connection: each worker's
// next command leaves with those of all others whose replies came in the same read.
#include "workers/link.hpp"
#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

class FloorPipeline : public Run {
 public:
  FloorPipeline(const Server& server, const Start& start)
      : start_(start), link_(server), sha_(load(link_, compare_and_delete)) {
    for (int i = 0; i < start.workers; ++i) names_.push_back(start.name_of(i));
  }

  Result go(const Window& window) override {
    Result result;
    sleep_until(window.begin);
    const auto workers = names_.size();
    std::vector<bool> holds(workers);
    // Replies come in the order of the commands, so the workers take turns for ever.
    std::size_t open = workers;
    for (std::size_t worker = 0; worker < workers; ++worker) acquire(worker);
    for (std::size_t worker = 0; open > 0; worker = worker + 1 == workers ? 0 : worker + 1) {
      link_.read();
      --open;
      if (!holds[worker]) {
        holds[worker] = true;
        link_.append({"EVALSHA", sha_, "1", names_[worker], token});
        ++open;
        continue;
      }
      holds[worker] = false;
      ++result.acquired;
      if (stopped_) continue;
      // One look at the clock for each round of all workers.
      if (worker == 0 && now_ns() >= window.end) {
        stopped_ = true;
        continue;
      }
      acquire(worker);
      ++open;
    }
    return result;
  }

 private:
  static constexpr std::string_view token = "token-of-about-the-usual-length-1234";

  void acquire(std::size_t worker) {
    link_.append({"SET", names_[worker], token, "NX", "PX", ttl_});
  }

  Start start_;
  Link link_;
  std::string sha_;
  std::string ttl_{std::to_string(start_.ttl.count())};
  std::vector<std::string> names_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Run> make_floor_pipeline(const Server& server, const Start& start) {
  return std::make_unique<FloorPipeline>(server, start);
}

}  // namespace dlock::bench
