// Sampler: the one thread that reads a store for all who look at it.
#include "cli/survey/sampler.hpp"

#include <algorithm>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/background_thread.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr auto look_interval = 250ms;
constexpr auto publish_interval = 200ms;
constexpr auto retry_interval = 1s;

}  // namespace

Sampler::Sampler(Client& client, SamplerOptions options)
    : client_(client),
      options_(std::move(options)),
      thread_(runtime::background_thread([this] { run(stop_.get_token()); })) {}

Sampler::~Sampler() {
  stop_.request_stop();
  thread_.join();
}

std::shared_ptr<const Snapshot> Sampler::latest() const {
  const std::lock_guard hold{mutex_};
  return latest_;
}

void Sampler::await_answer() const {
  std::unique_lock hold{mutex_};
  changed_.wait(hold, [this] { return has_answer_ || problem_; });
  if (!has_answer_) std::rethrow_exception(problem_);
}

void Sampler::await_sweeps(std::uint64_t sweeps) const {
  std::unique_lock hold{mutex_};
  changed_.wait(hold, [&] { return latest_->sweeps >= sweeps || problem_; });
  if (problem_) std::rethrow_exception(problem_);
}

void Sampler::await_looks(std::uint64_t looks) const {
  std::unique_lock hold{mutex_};
  const auto until = latest_->looks + looks;
  changed_.wait(hold, [&] { return latest_->looks >= until || problem_; });
  if (problem_) std::rethrow_exception(problem_);
}

void Sampler::focus(std::vector<std::string> names) {
  const std::lock_guard hold{mutex_};
  focus_ = std::move(names);
  if (focus_.size() > max_focus) focus_.resize(max_focus);
}

void Sampler::run(const std::stop_token& stop) {
  StoreSurvey survey{client_, options_.pattern, stop};
  next_look_ = runtime::boot_now() + look_interval;
  while (!stop.stop_requested()) {
    nanoseconds pause = retry_interval;
    try {
      pause = work(survey);
    } catch (const std::exception&) {
      report(std::current_exception());
      is_sweeping_ = false;
    }
    std::unique_lock hold{mutex_};
    changed_.wait_for(hold, stop, pause, [] { return false; });
  }
}

// One step. Returns for how long the server may rest then.
nanoseconds Sampler::work(StoreSurvey& survey) {
  const auto began = runtime::boot_now();
  const auto cost_before = survey.cost();
  bool is_over = false;
  bool has_asked = false;
  const bool is_sweep_due = is_sweeping_ || began >= next_sweep_;
  if (began >= next_look_ && !(is_sweep_due && has_looked_)) {
    has_looked_ = true;
    std::vector<std::string> names;
    {
      const std::lock_guard hold{mutex_};
      names = focus_;
    }
    has_asked = survey.look(names);
    next_look_ = began + look_interval;
  } else if (is_sweep_due) {
    has_looked_ = false;
    if (!std::exchange(is_sweeping_, true)) next_sweep_ = began + options_.interval;
    is_over = survey.step();
    has_asked = true;
    is_sweeping_ = !is_over;
  }
  const auto now = runtime::boot_now();
  if (is_over || now - published_at_ >= publish_interval) publish(survey, has_asked);

  // A server that is slow, or far away, gets at most one command at a time and a rest of that
  // length.
  const auto spent =
      std::chrono::duration<double>{(survey.cost() - cost_before) / options_.max_commands};
  const auto rest =
      std::max(std::chrono::duration_cast<nanoseconds>(spent) - (now - began), now - began);
  const auto until_due = std::min(next_look_, is_sweeping_ ? now : next_sweep_) - now;
  return std::max(rest, until_due);
}

// Without an answer of the store, a problem with it remains.
void Sampler::publish(const StoreSurvey& survey, bool has_asked) {
  auto snapshot = survey.snapshot();
  published_at_ = snapshot->taken_at;
  const std::lock_guard hold{mutex_};
  if (has_asked) {
    problem_ = nullptr;
    has_answer_ = true;
  } else {
    snapshot->problem = latest_->problem;
  }
  latest_ = std::move(snapshot);
  changed_.notify_all();
}

void Sampler::report(std::exception_ptr problem) {
  const std::lock_guard hold{mutex_};
  auto snapshot = std::make_shared<Snapshot>(*latest_);
  try {
    std::rethrow_exception(problem);
  } catch (const std::exception& error) {
    snapshot->problem = error.what();
  }
  latest_ = std::move(snapshot);
  problem_ = std::move(problem);
  changed_.notify_all();
}

}  // namespace dlock::cli
