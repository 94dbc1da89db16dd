// What each thread has of its own, also while it ends.
#pragma once

#include <cxxabi.h>

#include <memory>
#include <new>
#include <utility>

// The C++ ABI's name.
extern "C" void*
    __dso_handle;  // NOLINT(bugprone-reserved-identifier,readability-identifier-naming)

namespace dlock::runtime {

/// The calling thread's `Thing`, made when first needed. Destructors of other thread_locals and of
/// statics may come after a thread_local that has a destructor: so this is a pointer, and each time
/// that something is made the end of the thread is to delete it. What the main thread makes after
/// its thread_locals have gone stays for the rest of the program.
template <class Thing>
[[nodiscard]] Thing& of_thread() {
  thread_local Thing* thing = nullptr;
  if (thing == nullptr) {
    auto made = std::make_unique<Thing>();
    const auto end = [](void* place) noexcept {
      delete std::exchange(*static_cast<Thing**>(place), nullptr);
    };
    auto* const place = static_cast<void*>(&thing);
    if (abi::__cxa_thread_atexit(end, place, static_cast<void*>(&__dso_handle)) != 0) {
      throw std::bad_alloc{};
    }
    thing = made.release();
  }
  return *thing;
}

}  // namespace dlock::runtime
