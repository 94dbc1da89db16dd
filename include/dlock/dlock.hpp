// dlock: a distributed lock on Redis. This header includes all of the library.
#pragma once

#include "dlock/acquire_all.hpp"
#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/distributed_lock.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "dlock/lease.hpp"
#include "dlock/mutex.hpp"
#include "dlock/once.hpp"
#include "dlock/options.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"
#include "dlock/upgradeable_lease.hpp"
#include "dlock/version.hpp"
