// A thread that takes no signals, which are for the program's own threads.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <thread>
#include <utility>

namespace dlock::runtime {

/// musl gives a thread 128 KiB, where a callback of the user's may run. What this process makes
/// from now on gets at least as much as Python asks for there; musl never lowers it again.
inline void enlarge_stacks() noexcept {
#if defined(__linux__) && !defined(__GLIBC__)
  constexpr std::size_t enough = 1024 * 1024;
  static const int done = [] {
    pthread_attr_t usual;
    if (::pthread_attr_init(&usual) != 0) return 0;
    ::pthread_attr_setstacksize(&usual, enough);
    ::pthread_setattr_default_np(&usual);
    return ::pthread_attr_destroy(&usual);
  }();
  static_cast<void>(done);
#endif
}

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
  enlarge_stacks();
  const Mask mask;
  return std::thread{std::move(function)};
}

}  // namespace dlock::runtime
