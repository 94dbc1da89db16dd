// A bare blocking connection, for the floors.
#include "workers/link.hpp"

#include <stdexcept>

namespace dlock::bench {

Link::Link(const Server& server)
    : wire_(server.socket_path.empty()
                ? std::make_unique<test::Wire>(server.port, test::Wire::no_limit)
                : std::make_unique<test::Wire>(server.socket_path, test::Wire::no_limit)) {}

Link::Reply Link::read() {
  const auto reply = wire_->read();
  if (reply.is_error()) throw std::runtime_error(std::string{reply.text()});
  return reply;
}

std::string load(Link& link, std::string_view script) {
  return std::string{link.call({"SCRIPT", "LOAD", script}).text()};
}

}  // namespace dlock::bench
