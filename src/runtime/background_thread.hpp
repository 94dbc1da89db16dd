// A thread that takes no signals, which are for the program's own threads.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace dlock::runtime {

/// Throws std::system_error when there are no more threads.
template <class Function>
[[nodiscard]] std::thread background_thread(Function function) {
  struct Mask {
    Mask() {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~Mask() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    sigset_t before{};
  };
  const Mask mask;
  return std::thread{std::move(function)};
}

}  // namespace dlock::runtime
