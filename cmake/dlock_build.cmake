# Compiler settings shared by all targets, and the functions for the rooms of src/.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(PROJECT_IS_TOP_LEVEL)
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
        set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
    endif()
    find_program(DLOCK_CCACHE ccache)
    if(DLOCK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
        set(CMAKE_CXX_COMPILER_LAUNCHER "${DLOCK_CCACHE}")
    endif()
endif()

if(DLOCK_SANITIZE)
    list(JOIN DLOCK_SANITIZE "," sanitizers)
    add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${sanitizers})
endif()

# What every target inside the project compiles with; nothing of it reaches a consumer.
add_library(dlock_internal INTERFACE)
target_compile_features(dlock_internal INTERFACE cxx_std_20)
target_compile_options(dlock_internal INTERFACE -Wall -Wextra -Wpedantic
    $<$<BOOL:${DLOCK_WERROR}>:-Werror>)
target_include_directories(dlock_internal INTERFACE
    "${CMAKE_CURRENT_SOURCE_DIR}/src"
    "${CMAKE_CURRENT_SOURCE_DIR}/include"
    "${CMAKE_CURRENT_BINARY_DIR}/generated")
target_link_libraries(dlock_internal INTERFACE Threads::Threads)

# The rooms of src/rooms.txt that make up the library: all but the command and the scripts.
function(dlock_read_rooms rooms)
    set(list "${CMAKE_CURRENT_SOURCE_DIR}/src/rooms.txt")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${list}")
    file(STRINGS "${list}" lines REGEX "^[a-z]")
    list(JOIN lines " " lines)
    separate_arguments(names UNIX_COMMAND "${lines}")
    list(FILTER names EXCLUDE REGEX "^(cli|script)")
    set(${rooms} "${names}" PARENT_SCOPE)
endfunction()

# With CMAKE_UNITY_BUILD, which builds all in a third of the time: what has names of its own that another
# file of its room has too.
set_source_files_properties(
    src/local_server/server_program.cpp src/local_server/server_directory.cpp
    src/session/topology.cpp src/session/block_replies.cpp
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# A room is the object library of src/<room>/*.cpp: dlock_<room>, with _ for each /.
function(dlock_room room)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/${room}/*.cpp")
    string(REPLACE / _ target "dlock_${room}")
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE dlock_internal)
    if(NOT room MATCHES "^core/")
        target_link_libraries(${target} PRIVATE dlock_script)
    endif()
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# The shared library shows what the version script `map` says, of what has DLOCK_API. It stays when
# it is closed: its threads may run.
function(dlock_export_symbols target map)
    set(configured "${CMAKE_CURRENT_BINARY_DIR}/generated/exports.map")
    configure_file("${map}" "${configured}" @ONLY)
    target_link_options(${target} PRIVATE
        "LINKER:--version-script=${configured}" LINKER:-z,nodelete)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${configured}")
endfunction()

# A program that libFuzzer drives, of its own copy of what it tests.
function(dlock_fuzz_target name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE dlock_internal)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    set(instrumented -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
    target_compile_options(${name} PRIVATE ${instrumented})
    target_link_options(${name} PRIVATE ${instrumented})
endfunction()
