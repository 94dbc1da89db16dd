// An object of each thread, which it also has while it ends.
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
/// statics may need it after a thread_local with a destructor is gone. So it is behind a pointer,
/// and the end of the thread deletes each `Thing` that was made. One that the main thread makes
/// after its thread_locals are gone lives as long as the program.
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
