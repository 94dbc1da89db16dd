// dlock: a distributed lock on Redis. This header includes all of the library.
#pragma once

#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/distributed_lock.hpp"
#include "dlock/election.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "dlock/leader_observer.hpp"
#include "dlock/leadership.hpp"
#include "dlock/lease.hpp"
#include "dlock/mutex.hpp"
#include "dlock/options.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"
#include "dlock/upgradeable_lease.hpp"
#include "dlock/version.hpp"
