// coroutines: a hundred tasks on one thread take turns at one lock, and none blocks a thread.
#include <coroutine>
#include <dlock/dlock.hpp>
#include <exception>
#include <iostream>
#include <latch>

/// The least a coroutine needs. Bring your own task type; any will do.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Task work(dlock::Mutex& mutex, int& counter, std::latch& done) {
  try {
    dlock::Lease lease = co_await mutex.async_acquire();  // waits, without a thread
    ++counter;
    co_await dlock::async_release(std::move(lease));
  } catch (const dlock::Error& error) {
    std::cerr << "coroutines: " << error.what() << '\n';
  }
  done.count_down();
}

int main() {
  dlock::Client client;
  dlock::Mutex mutex{client, "counter"};
  int counter = 0;
  std::latch done{100};
  for (int i = 0; i < 100; ++i) work(mutex, counter, done);
  done.wait();
  std::cout << counter << " tasks had the lock, one after another\n";
}
