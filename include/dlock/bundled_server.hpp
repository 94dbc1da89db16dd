/// @file
/// For packages that bring a server with them, so that `local:` works where none is installed. Not
/// included by dlock/dlock.hpp.
#pragma once

#include <string_view>

#include "dlock/export.h"

namespace dlock {

/// Offers the program at `path`, a redis-server or valkey-server, for `local:` and for
/// `testkit::Server`: it is run where `$DLOCK_REDIS_SERVER` is not set, and neither program is in
/// `$PATH` or the usual directories. `path` is absolute; a later call takes the place of an earlier
/// one. Holds for the whole process. Thread-safe.
DLOCK_API void offer_server_program(std::string_view path);

}  // namespace dlock
