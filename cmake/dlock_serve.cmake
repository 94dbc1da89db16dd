# dlock-serve: the program behind `dlock serve`. It alone needs cpp-httplib.
set(DLOCK_LIBEXEC "../${CMAKE_INSTALL_LIBEXECDIR}/dlock")    # from the command's directory
set_source_files_properties("${cli_main}" PROPERTIES
    COMPILE_DEFINITIONS "DLOCK_LIBEXEC=\"${DLOCK_LIBEXEC}\"")

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(httplib QUIET IMPORTED_TARGET cpp-httplib)
endif()
option(DLOCK_BUILD_SERVE "Build dlock serve; needs cpp-httplib" ${httplib_FOUND})
if(DLOCK_BUILD_SERVE)
    add_executable(dlock-serve ${serve_sources})
    set_target_properties(dlock-serve PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
    target_link_libraries(dlock-serve PRIVATE dlock_command PkgConfig::httplib)
    add_dependencies(dlock-cli dlock-serve)
endif()
