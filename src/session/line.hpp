// Lines and nodes: which engine talks to which server, over a connection that several may share.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/engine/engine.hpp"
#include "redis/connection.hpp"
#include "store/connector.hpp"

namespace dlock::detail {

struct ServerLink;

/// An engine, and the server it talks to. A single server has one; on a cluster each slot that is
/// used has one, and moves from node to node; of a quorum each server has one.
struct Shard {
  Shard(core::Engine::Settings settings, std::size_t at) : engine(std::move(settings)), index(at) {}

  core::Engine engine;
  const std::size_t index;     ///< among the lines
  std::uint16_t slot = 0;      ///< cluster
  ServerLink* node = nullptr;  ///< none: the node of the slot is not known
  bool is_connected = false;   ///< the engine was told of a connection of `node`
  bool wants_node = false;     ///< the engine asked for a connection
  bool is_touched = false;     ///< there may be actions to be carried out
  bool is_idle = true;
};

/// A server, and the one connection to it.
struct ServerLink {
  explicit ServerLink(redis::Endpoint where) : endpoint(std::move(where)) {}

  const redis::Endpoint endpoint;
  std::unique_ptr<redis::Connection> connection;
  std::int64_t connection_id = 0;  ///< of the last one, for killing it from the next
  std::uint64_t number = 0;        ///< of connections so far, to notice that it is another
  Connector connector;
  core::Instant connect_by;   ///< if it is busy
  std::deque<Shard*> owed;    ///< whose replies are to come, in order; none: nobody's any more
  std::vector<Shard*> lines;  ///< that are on it
  core::Instant heard;        ///< when the last reply came
  /// A release had no answer, and nothing has come since: so the next need not wait.
  bool is_silent = false;
};

}  // namespace dlock::detail
