// Loading OpenSSL.
#include "redis/openssl.hpp"

#include "dlock/error.hpp"
#include "runtime/shared_library.hpp"

namespace dlock::redis {
namespace {

OpenSsl load() {
  const auto complain = [] {
    throw UsageError(errc::usage,
                     "TLS needs OpenSSL 3, which is not installed: its package is libssl3 (" +
                         runtime::SharedLibrary::problem() + ")");
  };
  // It loads libcrypto too, and finds its functions.
  const runtime::SharedLibrary library{"libssl.so.3"};
  if (!library) complain();
  OpenSsl functions{};
#define DLOCK_FIND(name)                                                     \
  functions.name = reinterpret_cast<decltype(&::name)>(library.find(#name)); \
  if (functions.name == nullptr) complain();
  DLOCK_OPENSSL_FUNCTIONS(DLOCK_FIND)
#undef DLOCK_FIND
  // When the program ends, an abandoned thread that connects may still use OpenSSL, which must not
  // free its memory then.
  functions.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  return functions;
}

}  // namespace

const OpenSsl& openssl() {
  static const OpenSsl functions = load();
  return functions;
}

}  // namespace dlock::redis
