// A server that a package brings.
#include "dlock/bundled_server.hpp"

#include "local_server/server_program.hpp"

namespace dlock {

void offer_server_program(std::string_view path) { local_server::offer_server_program(path); }

}  // namespace dlock
