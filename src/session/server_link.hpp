// Shards and server links: over which connection each server of the router is reached. Several of
// its servers, the slots of a cluster, may share one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/router/router.hpp"
#include "redis/connection.hpp"
#include "store/connector.hpp"

namespace dlock::detail {

struct ServerLink;

/// How a server of the router is reached. That of a slot moves from node to node.
struct Shard {
  explicit Shard(core::ServerId its_server) : server(its_server) {}

  const core::ServerId server;
  ServerLink* link = nullptr;  ///< none: the node of its slot is not known
  bool is_connected = false;   ///< the router was told of a connection of `link`
  bool wants_link = false;     ///< the router asked for a connection
};

/// A server, and the one connection to it.
struct ServerLink {
  explicit ServerLink(redis::Endpoint where) : endpoint(std::move(where)) {}

  const redis::Endpoint endpoint;
  std::unique_ptr<redis::Connection> connection;
  std::int64_t connection_id = 0;  ///< of the last one, for killing it from the next
  std::uint64_t number = 0;        ///< of connections so far, to notice that it is another
  Connector connector;
  core::Instant connect_by;    ///< if it is busy
  std::deque<Shard*> owed;     ///< whose replies are to come, in order; none: nobody's any more
  std::vector<Shard*> shards;  ///< that are on it
  core::Instant heard;         ///< when the last reply came
  /// A release had no answer, and nothing has come since: so the next need not wait.
  bool is_silent = false;
};

}  // namespace dlock::detail
