/// @file
/// dlock: a distributed lock on Redis. This header includes all of the library.
#pragma once

/// The library: a `Client`, and a `DistributedLock`, a `Mutex` or one of its kin that uses it.
namespace dlock {}

#include "dlock/acquire_all.hpp"
#include "dlock/async.hpp"
#include "dlock/barrier.hpp"
#include "dlock/client.hpp"
#include "dlock/condition_variable.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/distributed_lock.hpp"
#include "dlock/doctor.hpp"
#include "dlock/election.hpp"
#include "dlock/error.hpp"
#include "dlock/event.hpp"
#include "dlock/inspect.hpp"
#include "dlock/latch.hpp"
#include "dlock/leader_observer.hpp"
#include "dlock/leadership.hpp"
#include "dlock/lease.hpp"
#include "dlock/lease_source.hpp"
#include "dlock/metrics.hpp"
#include "dlock/mutex.hpp"
#include "dlock/once.hpp"
#include "dlock/options.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"
#include "dlock/stats.hpp"
#include "dlock/stop_on_either.hpp"
#include "dlock/upgradeable_lease.hpp"
#include "dlock/version.hpp"
