// Loading OpenSSL.
#include "redis/openssl.hpp"

#include <dlfcn.h>

#include <string>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

// It stays: what it made may live until the program ends.
OpenSsl load() {
  const auto complain = [] {
    const char* const why = ::dlerror();
    throw UsageError(errc::usage,
                     "TLS needs OpenSSL 3, which is not installed: its package is libssl3 (" +
                         std::string{why != nullptr ? why : "unknown reason"} + ")");
  };
  // It brings libcrypto along, whose functions are found by it too.
  void* const library = ::dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) complain();
  OpenSsl functions{};
#define DLOCK_FIND(name)                                                         \
  functions.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (functions.name == nullptr) complain();
  DLOCK_OPENSSL_FUNCTIONS(DLOCK_FIND)
#undef DLOCK_FIND
  // A thread whose dialling was given up may be in OpenSSL yet when the program ends: its memory is
  // not to be freed then.
  functions.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  return functions;
}

}  // namespace

const OpenSsl& openssl() {
  static const OpenSsl functions = load();
  return functions;
}

}  // namespace dlock::redis
