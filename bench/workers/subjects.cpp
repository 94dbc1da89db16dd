// The subjects by their names.
#include "workers/subjects.hpp"

#include <stdexcept>
#include <string_view>
#include <utility>

namespace dlock::bench {

std::unique_ptr<Run> make_run(const Server& server, const Start& start) {
  static constexpr std::pair<std::string_view, MakeRun*> subjects[] = {
      {"dlock", make_dlock},
      {"dlock-async", make_dlock_async},
      {"dlock-clients", make_dlock_clients},
      {"dlock-leases", make_dlock_leases},
      {"floor-pair", make_floor_pair},
      {"floor-pipeline", make_floor_pipeline},
      {"floor-grant", make_floor_grant},
      {"floor-blpop", make_floor_blpop},
      {"floor-publish", make_floor_publish},
      {"floor-tcp", make_floor_tcp},
  };
  for (const auto& [name, make] : subjects) {
    if (name == start.subject) return make(server, start);
  }
  throw std::invalid_argument("no such subject: " + start.subject);
}

}  // namespace dlock::bench
