# hiredis >= 1.1: the target dlock_hiredis to compile with, dlock_link_hiredis() to link with.
#
# Two cases. The static one that scripts/setup put into the project becomes part of our library, its
# symbols renamed so that a program with another hiredis of its own links and runs undisturbed. The
# system's is linked as usual, and is then a dependency of the installed package.

set(DLOCK_DEPS_DIR "${CMAKE_CURRENT_SOURCE_DIR}/.deps" CACHE PATH
    "Where scripts/setup puts libraries the system does not package")

set(prefix "${DLOCK_DEPS_DIR}/hiredis/usr")
set(bundled "${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libhiredis.a")
if(EXISTS "${bundled}")
    set(DLOCK_HIREDIS_BUNDLED ON)
    set(DLOCK_HIREDIS_COPYRIGHT "${prefix}/share/doc/libhiredis-dev/copyright")
    set(include_dir "${prefix}/include")
else()
    set(DLOCK_HIREDIS_BUNDLED OFF)
    find_path(DLOCK_HIREDIS_INCLUDE_DIR hiredis/hiredis.h)
    find_library(DLOCK_HIREDIS_LIBRARY hiredis)
    set(include_dir "${DLOCK_HIREDIS_INCLUDE_DIR}")
    if(NOT DLOCK_HIREDIS_INCLUDE_DIR OR NOT DLOCK_HIREDIS_LIBRARY)
        message(FATAL_ERROR "hiredis >= 1.1 is missing: install its development files, or run "
            "scripts/setup in a copy of the repository")
    endif()
endif()

file(STRINGS "${include_dir}/hiredis/hiredis.h" version REGEX "define HIREDIS_(MAJOR|MINOR) ")
list(TRANSFORM version REPLACE "[^0-9]" "")
list(JOIN version "." version)
if(version VERSION_LESS 1.1)
    message(FATAL_ERROR "hiredis ${version} in ${include_dir} is too old, 1.1 is needed: "
        "run scripts/setup in a copy of the repository")
endif()

add_library(dlock_hiredis INTERFACE)
target_include_directories(dlock_hiredis SYSTEM INTERFACE "${include_dir}")

# Takes the archive apart and gives its global symbols private names, in the objects and, by a
# header of #defines included before everything else, in the code that calls them.
function(dlock_unpack_hiredis archive)
    file(SHA256 "${archive}" hash)
    string(SUBSTRING "${hash}" 0 12 hash)
    set(dir "${CMAKE_CURRENT_BINARY_DIR}/hiredis-${hash}")
    set(names_header "${dir}/hiredis_names.h")
    if(NOT EXISTS "${names_header}")
        file(MAKE_DIRECTORY "${dir}")
        execute_process(COMMAND "${CMAKE_AR}" x "${archive}" WORKING_DIRECTORY "${dir}"
            COMMAND_ERROR_IS_FATAL ANY)
        execute_process(COMMAND "${CMAKE_NM}" -g --defined-only -P "${archive}"
            OUTPUT_VARIABLE symbols ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
        string(REGEX MATCHALL "(^|\n)[A-Za-z_][A-Za-z0-9_]* [A-TV-Z] " symbols "${symbols}")
        set(map "")
        set(defines "/* Our copy of hiredis has symbols of its own. */\n")
        foreach(symbol IN LISTS symbols)
            string(REGEX REPLACE "^\n?([^ ]*) .*" "\\1" symbol "${symbol}")
            string(APPEND map "${symbol} dlock_${symbol}\n")
            string(APPEND defines "#define ${symbol} dlock_${symbol}\n")
        endforeach()
        file(WRITE "${dir}/symbols" "${map}")
        file(GLOB objects "${dir}/*.o")
        foreach(object IN LISTS objects)
            execute_process(COMMAND "${CMAKE_OBJCOPY}" "--redefine-syms=${dir}/symbols" "${object}"
                COMMAND_ERROR_IS_FATAL ANY)
        endforeach()
        file(WRITE "${names_header}" "${defines}")
    endif()
    file(GLOB objects "${dir}/*.o")
    set(DLOCK_HIREDIS_OBJECTS "${objects}" PARENT_SCOPE)
    target_compile_options(dlock_hiredis INTERFACE "SHELL:-include \"${names_header}\"")
endfunction()

if(DLOCK_HIREDIS_BUNDLED)
    dlock_unpack_hiredis("${bundled}")
    message(STATUS "hiredis ${version}: bundled, from ${bundled}")
else()
    message(STATUS "hiredis ${version}: the system's, ${DLOCK_HIREDIS_LIBRARY}")
endif()

function(dlock_link_hiredis target)
    if(DLOCK_HIREDIS_BUNDLED)
        set_source_files_properties(${DLOCK_HIREDIS_OBJECTS} PROPERTIES
            EXTERNAL_OBJECT ON GENERATED ON)
        target_sources(${target} PRIVATE ${DLOCK_HIREDIS_OBJECTS})
    else()
        target_link_libraries(${target} PRIVATE
            $<BUILD_INTERFACE:${DLOCK_HIREDIS_LIBRARY}> $<INSTALL_INTERFACE:dlock::hiredis>)
    endif()
endfunction()
