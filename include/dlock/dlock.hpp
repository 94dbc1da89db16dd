// dlock: a distributed lock on Redis. This header includes all of the library.
#pragma once

#include "dlock/async.hpp"
#include "dlock/barrier.hpp"
#include "dlock/client.hpp"
#include "dlock/condition_variable.hpp"
#include "dlock/distributed_lock.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "dlock/latch.hpp"
#include "dlock/lease.hpp"
#include "dlock/mutex.hpp"
#include "dlock/options.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"
#include "dlock/upgradeable_lease.hpp"
#include "dlock/version.hpp"
