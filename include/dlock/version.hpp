/// @file
/// The version of the library.
#pragma once

/// As "major.minor.patch".
#define DLOCK_VERSION "0.1.0"
