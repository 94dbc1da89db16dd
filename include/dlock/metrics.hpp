/// @file
/// Metrics of a client, as Prometheus reads them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "dlock/client.hpp"
#include "dlock/export.h"

namespace dlock {

/// All statistics of `client` in Prometheus' text format (version 0.0.4), to be served as
/// `text/plain; version=0.0.4`. The names begin with `dlock_client_`; docs/observability.md lists
/// them. The number of series is bounded: by the groups of `ClientOptions::group`, and for
/// `leader_election_master_status` by 64 elections. Thread-safe. Throws `UsageError` in a forked
/// child.
[[nodiscard]] DLOCK_API std::string prometheus_text(const Client& client);
/// The same of several clients, each by a name, which each sample has as its label `client`. One
/// body cannot have the texts of two clients one after the other: the format allows a metric once.
///
///     dlock::prometheus_text({{"orders", orders}, {"mail", mail}});
[[nodiscard]] DLOCK_API std::string prometheus_text(
    const std::map<std::string, std::reference_wrapper<const Client>>& clients);

}  // namespace dlock
