// Loading libraries.
#include "runtime/shared_library.hpp"

#include <dlfcn.h>

namespace dlock::runtime {

SharedLibrary::SharedLibrary(const char* name) noexcept
    : handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}

void* SharedLibrary::find(const char* function) const noexcept {
  return ::dlsym(handle_, function);
}

std::string SharedLibrary::problem() {
  const char* const why = ::dlerror();
  return why != nullptr ? why : "unknown reason";
}

}  // namespace dlock::runtime
