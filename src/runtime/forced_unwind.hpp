// What pthread_exit() and pthread_cancel() throw through a thread's frames, to be thrown on.
#pragma once

#include <cxxabi.h>

#include <cstddef>

namespace dlock::runtime {

#if defined(__GLIBCXX__) && defined(__GLIBC__)
using ForcedUnwind = abi::__forced_unwind;
inline constexpr bool is_unwound_when_cancelled = true;
#else
/// Nobody throws it: musl ends a thread without unwinding it, and glibc unwinds it with libgcc,
/// which does not know the frames of libc++.
struct ForcedUnwind {};
inline constexpr bool is_unwound_when_cancelled = false;
#endif

}  // namespace dlock::runtime
