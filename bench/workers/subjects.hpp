// What this worker can measure, one file each.
#pragma once

#include "workers/run.hpp"

namespace dlock::bench {

using MakeRun = std::unique_ptr<Run>(const Server&, const Start&);

MakeRun make_dlock;           // threads of one client
MakeRun make_dlock_clients;   // a client for each thread
MakeRun make_dlock_async;     // handlers instead of threads
MakeRun make_dlock_leases;    // leases that are only held, and renewed
MakeRun make_floor_pair;      // SET NX PX and compare-and-delete, one after the other
MakeRun make_floor_pipeline;  // the same, many at once on one connection
MakeRun make_floor_grant;     // dlock's scripts, and nothing else
MakeRun make_floor_blpop;     // a token in a list
MakeRun make_floor_publish;   // one way from a publisher to a subscriber
MakeRun make_floor_tcp;       // there and back without Redis

}  // namespace dlock::bench
