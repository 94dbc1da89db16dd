// The services that dlock knows, and their signs.
#include "doctor/service.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dlock::detail {
namespace {

constexpr std::string_view aws_group =
    "set maxmemory-policy to noeviction in the cache's parameter group";
constexpr std::string_view aws_keeps =
    "use MemoryDB, which keeps all that it confirmed; or keep locks whose loss at a failover does "
    "no "
    "harm";

// The first that fits counts.
constexpr std::array services{
    Service{.name = "Amazon ElastiCache Serverless",
            .host_part = ".serverless.",
            .host_end = ".cache.amazonaws.com",
            .eviction = Service::Eviction::fixed,
            .set_eviction =
                "use MemoryDB, or an ElastiCache of nodes with maxmemory-policy "
                "noeviction; or set its data limit far above what is stored, and an alarm "
                "on its metric Evictions",
            .set_persistence = aws_keeps},
    Service{.name = "Amazon ElastiCache",
            .host_part = {},
            .host_end = ".cache.amazonaws.com",
            .set_eviction = aws_group,
            .set_persistence = aws_keeps},
    Service{.name = "Amazon ElastiCache",
            .host_part = {},
            .host_end = ".cache.amazonaws.com.cn",
            .set_eviction = aws_group,
            .set_persistence = aws_keeps},
    Service{.name = "Amazon MemoryDB",
            .host_part = ".memorydb.",
            .host_end = ".amazonaws.com",
            .set_eviction = aws_group},
    Service{
        .name = "Azure Cache for Redis",
        .host_part = {},
        .host_end = ".redis.cache.windows.net",
        .set_eviction = "set the maxmemory policy to noeviction, in the cache's advanced settings",
        .set_persistence = "switch AOF persistence on, in the Premium tier"},
    Service{.name = "Azure Managed Redis",
            .host_part = {},
            .host_end = ".redis.azure.net",
            .set_eviction = "set the database's eviction policy to NoEviction; its default is "
                            "VolatileLRU",
            .set_persistence = "switch the database's AOF persistence on"},
    Service{.name = "Azure Cache for Redis Enterprise",
            .host_part = {},
            .host_end = ".redisenterprise.cache.azure.net",
            .set_eviction = "set the database's eviction policy to NoEviction; its default is "
                            "VolatileLRU",
            .set_persistence = "switch the database's AOF persistence on"},
    Service{.name = "Redis Cloud",
            .host_part = {},
            .host_end = ".redis-cloud.com",
            .set_eviction = "set the database's data eviction policy to \"no eviction\"",
            .set_persistence = "set the database's data persistence to AOF"},
    Service{.name = "Redis Cloud",
            .host_part = {},
            .host_end = ".redislabs.com",
            .set_eviction = "set the database's data eviction policy to \"no eviction\"",
            .set_persistence = "set the database's data persistence to AOF"},
    Service{.name = "Upstash",
            .host_part = {},
            .host_end = ".upstash.io",
            .set_eviction = "switch the database's eviction off"},
    Service{.name = "Dragonfly",
            .host_part = {},
            .host_end = {},
            .info_field = "dragonfly_version",
            .set_eviction = "start it without --cache_mode"},
    Service{.name = "Garnet",
            .host_part = {},
            .host_end = {},
            .info_field = "garnet_version",
            .set_persistence = "start it with --aof"},
};

// Without the port.
std::string_view host_of(std::string_view address) { return address.substr(0, address.rfind(':')); }

bool fits(const Service& service, const redis::NodeFacts& node) {
  if (!service.info_field.empty()) return node.info.contains(service.info_field);
  const auto has_signs = [&](std::string_view host) {
    return host.ends_with(service.host_end) && host.find(service.host_part) != host.npos;
  };
  return has_signs(host_of(node.address)) || std::ranges::any_of(node.url_hosts, has_signs);
}

}  // namespace

const Service* service_of(const redis::NodeFacts& node) {
  const auto* const found =
      std::ranges::find_if(services, [&](const Service& service) { return fits(service, node); });
  return found == services.end() ? nullptr : found;
}

}  // namespace dlock::detail
