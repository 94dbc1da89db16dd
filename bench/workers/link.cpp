// A bare blocking connection, for the floors.
#include "workers/link.hpp"

#include <stdexcept>

namespace dlock::bench {

Link::Reply Link::read() {
  const auto reply = wire_->read();
  if (reply.is_error()) throw std::runtime_error(std::string{reply.text()});
  return reply;
}

std::string load(Link& link, std::string_view script) {
  return std::string{link.call({"SCRIPT", "LOAD", script}).text()};
}

}  // namespace dlock::bench
