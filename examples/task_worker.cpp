// A worker of a task queue: start as many as you like, on any machine that sees the directory. Each
// task is done once; that of a worker that dies is done by another.
//
//   task_worker DIRECTORY [PAUSE_MS]
//
// A task is a file in DIRECTORY/todo; what it contains is counted, into a file in DIRECTORY/done.
#include <chrono>
#include <dlock/dlock.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

class Worker {
 public:
  Worker(const fs::path& directory, std::chrono::milliseconds pause)
      : todo_{directory / "todo"}, done_{directory / "done"}, pause_{pause} {}

  /// Works until nothing is left to do.
  void run() {
    for (auto tasks = list(); !tasks.empty(); tasks = list()) {
      bool all_are_taken = true;
      for (const auto& task : tasks) {
        if (const auto lease = lock(task).try_acquire()) {
          all_are_taken = false;
          work(task, *lease);
        }
      }
      if (all_are_taken) {  // wait for one: if its worker dies, it comes to us after the ttl
        work(tasks.front(), lock(tasks.front()).acquire());
      }
    }
  }

 private:
  [[nodiscard]] std::vector<fs::path> list() const {
    std::vector<fs::path> names;
    for (const auto& file : fs::directory_iterator{todo_}) names.push_back(file.path().filename());
    return names;
  }

  dlock::Mutex lock(const fs::path& task) {
    return {client_, "task:" + task.string(), {.ttl = 2s}};
  }

  void work(const fs::path& task, const dlock::Lease& lease) const {
    std::ifstream input{todo_ / task};
    if (!input) return;  // somebody has done it between the listing and the lock
    std::cout << "doing " << task.string() << std::endl;
    std::this_thread::sleep_for(pause_);  // this takes long
    const std::istream_iterator<std::string> begin{input};
    const auto words = std::distance(begin, {});

    lease.ensure_held();  // throws if another does the task by now
    const fs::path result = done_ / task;
    const fs::path draft = result.string() + "." + std::to_string(lease.fence());  // ours alone
    std::ofstream{draft} << words << " words\n";
    fs::rename(draft, result);  // in one step, so that a late worker does no harm
    fs::remove(todo_ / task);
  }

  dlock::Client client_;  // $DLOCK_URL, or a private server on this machine
  fs::path todo_;
  fs::path done_;
  std::chrono::milliseconds pause_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: task_worker DIRECTORY [PAUSE_MS]\n";
    return 64;
  }
  try {
    Worker{arguments[1], std::chrono::milliseconds{count > 2 ? std::stoi(arguments[2]) : 20}}.run();
  } catch (const std::exception& error) {  // the task stays where it is
    std::cerr << "task_worker: " << error.what() << '\n';
    return 1;
  }
}
