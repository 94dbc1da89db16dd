// The version of the library.
#pragma once

#define DLOCK_VERSION "0.1.0"
