// Services: whose offer a server is, by its signs, and what of that matters to locks.
#pragma once

#include <string_view>

#include "doctor/server_probe.hpp"

namespace dlock::detail {

/// What is known of a service, of its own documents (docs/servers.md).
struct Service {
  enum class Eviction {
    as_reported,  ///< as the server's INFO says
    fixed,        ///< it evicts locks when it is full, and nobody can change that
  };
  std::string_view name;
  std::string_view host_part;     ///< in the names of its hosts; empty: see `info_field`
  std::string_view host_end;      ///< their end; empty: see `info_field`
  std::string_view info_field{};  ///< a field of INFO that only it has
  Eviction eviction = Eviction::as_reported;
  std::string_view set_eviction{};     ///< how its users set `noeviction`, in place of CONFIG SET
  std::string_view set_persistence{};  ///< how they make it keep its data
};

/// Null: none that is known.
[[nodiscard]] const Service* service_of(const redis::NodeFacts& node);

}  // namespace dlock::detail
