// dlock_bench_worker URL: speaks the line protocol of bench/driver.py on stdin and stdout.
// dlock_bench_worker --distance CORE CORE: says how far apart two cores are, in nanoseconds.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "workers/distance.hpp"
#include "workers/run.hpp"

namespace dlock::bench {

std::string Start::name_of(int worker) const {
  return own ? name + ':' + std::to_string(::getpid()) + ':' + std::to_string(worker) : name;
}

std::string Start::warm_name(int worker) const {
  return "warm:" + std::to_string(::getpid()) + ':' + std::to_string(worker);
}

void sleep_until(std::int64_t monotonic_ns) {
  const timespec until{static_cast<std::time_t>(monotonic_ns / 1'000'000'000),
                       static_cast<long>(monotonic_ns % 1'000'000'000)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
  }
}

namespace {

Start parse_start(std::istream& words) {
  Start start;
  std::string mode;
  std::int64_t hold = 0;
  std::int64_t ttl = 0;
  words >> start.subject >> mode >> start.name >> start.workers >> start.count >> hold >> ttl >>
      start.file;
  start.own = mode == "own";
  start.hold = std::chrono::milliseconds{hold};
  start.ttl = std::chrono::milliseconds{ttl};
  return start;
}

/// Writes the samples, and returns how many.
std::int64_t write_samples(const std::string& path, const Result& result) {
  std::ofstream file{path, std::ios::binary};
  std::int64_t count = result.acquired;
  for (const auto& samples : result.samples) {
    file.write(reinterpret_cast<const char*>(samples.data()),
               static_cast<std::streamsize>(samples.size() * sizeof(Sample)));
    count += static_cast<std::int64_t>(samples.size());
  }
  return count;
}

Server parse_server(const std::string& url) {
  constexpr std::string_view unix_scheme = "redis+unix://";
  if (url.starts_with(unix_scheme)) return {url, 0, url.substr(unix_scheme.size())};
  return {url, std::stoi(url.substr(url.rfind(':') + 1)), {}};
}

int serve(const Server& server) {
  std::cout << "ready" << std::endl;
  Start start;
  std::unique_ptr<Run> run;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    std::string verb;
    words >> verb;
    if (verb == "start") {
      start = parse_start(words);
      run = make_run(server, start);
      std::cout << "armed" << std::endl;
    } else if (verb == "go") {
      Window window;
      words >> window.begin >> window.end;
      const Result result = run->go(window);
      run.reset();
      const auto count = write_samples(start.file, result);
      std::cout << "done " << count << ' ' << result.errors << std::endl;
    }
  }
  return 0;
}

}  // namespace

}  // namespace dlock::bench

int main(int count, char** arguments) {
  std::vector<std::string> words;
  for (int i = 1; i < count; ++i) words.emplace_back(arguments[i]);
  const bool asks_distance = words.size() == 3 && words[0] == "--distance";
  if (words.size() != 1 && !asks_distance) {
    std::cerr << "usage: dlock_bench_worker redis://127.0.0.1:PORT|redis+unix://PATH\n"
                 "       dlock_bench_worker --distance CORE CORE\n";
    return 64;
  }
  try {
    if (asks_distance) {
      std::cout << dlock::bench::distance_ns(std::stoi(words[1]), std::stoi(words[2])) << '\n';
      return 0;
    }
    return dlock::bench::serve(dlock::bench::parse_server(words[0]));
  } catch (const std::exception& error) {
    std::cerr << "dlock_bench_worker: " << error.what() << '\n';
    return 1;
  }
}
