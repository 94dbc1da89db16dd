// Loading OpenSSL.
#include "redis/openssl.hpp"

#include <string>

#include "dlock/error.hpp"
#include "runtime/shared_library.hpp"

namespace dlock::redis {
namespace {

OpenSsl load() {
  const auto complain = [](const std::string& problem) {
    throw UsageError(
        errc::usage,
        "TLS needs OpenSSL 3, which is not installed: its package is libssl3 (" + problem + ")");
  };
  // It loads libcrypto too, and finds its functions.
  const runtime::SharedLibrary installed{"libssl.so.3"};
  const auto problem = installed ? "" : runtime::SharedLibrary::problem();
  // Node.js has OpenSSL in itself. Others that call themselves OpenSSL there, or older ones, do not
  // have this function.
  const runtime::SharedLibrary program{nullptr};
  if (!installed && program.find("OPENSSL_version_major") == nullptr) complain(problem);
  const auto& library = installed ? installed : program;
  OpenSsl functions{};
#define DLOCK_FIND(name)                                                     \
  functions.name = reinterpret_cast<decltype(&::name)>(library.find(#name)); \
  if (functions.name == nullptr) complain(runtime::SharedLibrary::problem());
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
