# A toolchain file: builds for another system with zig from PyPI (scripts/setup --for release).
#
#   cmake --toolchain cmake/zig.cmake -D DLOCK_TARGET=aarch64-linux-gnu.2.28 ...
#
# What is built needs that system's C library and nothing else: zig's C++ library is linked into it.
# DLOCK_TARGET is one of
#   x86_64-linux-gnu.2.28, aarch64-linux-gnu.2.28    glibc, from version 2.28 on
#   x86_64-linux-musl, aarch64-linux-musl            musl
#   x86_64-macos, aarch64-macos                      nothing links: docs/install.md says what is missing
set(DLOCK_TARGET "x86_64-linux-gnu.2.28" CACHE STRING "The system to build for, in zig's words")
file(GLOB zig_found "${CMAKE_CURRENT_LIST_DIR}/../.deps/release/lib/python3*/site-packages/ziglang/zig")
if(zig_found)
    file(REAL_PATH "${zig_found}" zig_found)
endif()
set(DLOCK_ZIG "${zig_found}" CACHE FILEPATH "The program zig")
if(NOT EXISTS "${DLOCK_ZIG}")
    message(FATAL_ERROR "zig is missing: run scripts/setup --for release")
endif()
if(NOT DLOCK_TARGET MATCHES "^(x86_64|aarch64)-(linux-gnu\\.[0-9.]+|linux-musl|macos)$")
    message(FATAL_ERROR "no DLOCK_TARGET of cmake/zig.cmake: ${DLOCK_TARGET}")
endif()
set(CMAKE_SYSTEM_PROCESSOR "${CMAKE_MATCH_1}")
set(CMAKE_SYSTEM_NAME Linux)
if(CMAKE_MATCH_2 STREQUAL "macos")
    set(CMAKE_SYSTEM_NAME Darwin)
endif()

# The programs that CMake's own tests of the compiler build get these too, and the same directory.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DLOCK_TARGET DLOCK_ZIG DLOCK_ZIG_DIR)
set(DLOCK_ZIG_DIR "${CMAKE_BINARY_DIR}/zig" CACHE INTERNAL "What this file makes")

# zig is many programs in one; CMake wants each as a file. A musl program is static unless told:
# dlock loads OpenSSL while it runs, so it has to have the loader. Nothing is for debuggers (-s), else zig
# would compile its C++ library twice.
set(options "-target ${DLOCK_TARGET} -s")
if(DLOCK_TARGET MATCHES "musl")
    string(APPEND options " -dynamic")
endif()
foreach(tool IN ITEMS "clang=cc ${options}" "clang++=c++ ${options}" ar ranlib)
    string(REGEX MATCH "^[^=]+" name "${tool}")
    string(REGEX REPLACE "^[^=]+=" "" arguments "${tool}")
    file(CONFIGURE OUTPUT "${DLOCK_ZIG_DIR}/bin/${name}"
        CONTENT "#!/bin/sh\nexec '${DLOCK_ZIG}' ${arguments} \"$@\"\n" @ONLY)
    file(CHMOD "${DLOCK_ZIG_DIR}/bin/${name}" PERMISSIONS
        OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endforeach()
set(CMAKE_C_COMPILER "${DLOCK_ZIG_DIR}/bin/clang")
set(CMAKE_CXX_COMPILER "${DLOCK_ZIG_DIR}/bin/clang++")
# To ccache each of these files is another compiler: it shall look at what is in them, and at zig's version.
find_program(DLOCK_CCACHE ccache)
if(DLOCK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    execute_process(COMMAND "${DLOCK_ZIG}" version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
        "CCACHE_COMPILERCHECK=string:zig ${version} ${options}" "${DLOCK_CCACHE}")
endif()
set(CMAKE_AR "${DLOCK_ZIG_DIR}/bin/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${DLOCK_ZIG_DIR}/bin/ranlib" CACHE FILEPATH "")

# Libraries of which a build needs only headers. They are this machine's, in a directory of their own:
# beside them in /usr/include are those of its C library.
set(headers "${DLOCK_ZIG_DIR}/include")
if(NOT EXISTS "${headers}")
    foreach(place IN ITEMS /usr/include /usr/include/x86_64-linux-gnu /usr/include/aarch64-linux-gnu)
        foreach(library IN ITEMS openssl CLI fmt)
            if(IS_DIRECTORY "${place}/${library}")
                file(COPY "${place}/${library}" DESTINATION "${headers}")
            endif()
        endforeach()
    endforeach()
endif()
set(OPENSSL_INCLUDE_DIR "${headers}" CACHE PATH "")
set(find_modules "${DLOCK_ZIG_DIR}/modules")
file(CONFIGURE OUTPUT "${find_modules}/FindCLI11.cmake" CONTENT [[
add_library(CLI11::CLI11 INTERFACE IMPORTED)
target_include_directories(CLI11::CLI11 SYSTEM INTERFACE "@headers@")
set(CLI11_FOUND ON)
]] @ONLY)
file(CONFIGURE OUTPUT "${find_modules}/Findfmt.cmake" CONTENT [[
add_library(fmt::fmt-header-only INTERFACE IMPORTED)
target_include_directories(fmt::fmt-header-only SYSTEM INTERFACE "@headers@")
target_compile_definitions(fmt::fmt-header-only INTERFACE FMT_HEADER_ONLY=1)
set(fmt_FOUND ON)
]] @ONLY)
list(PREPEND CMAKE_MODULE_PATH "${find_modules}")

# Nothing else of this machine is to be found, but its programs.
set(CMAKE_FIND_ROOT_PATH "${DLOCK_ZIG_DIR}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
set(PKG_CONFIG_EXECUTABLE "" CACHE FILEPATH "")    # it knows this machine's libraries only
