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
    file(GLOB page_files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/cli/serve/page/*")
    set(page_header "${CMAKE_CURRENT_BINARY_DIR}/generated/cli/serve/page.hpp")
    add_custom_command(
        OUTPUT "${page_header}"
        COMMAND "${CMAKE_COMMAND}"
            "-DPAGE_DIR=${CMAKE_CURRENT_SOURCE_DIR}/src/cli/serve/page" "-DOUTPUT=${page_header}"
            -P "${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake"
        DEPENDS ${page_files} "${CMAKE_CURRENT_LIST_DIR}/embed_page.cmake"
        COMMENT "Embedding the page of dlock serve"
        VERBATIM)
    add_executable(dlock-serve ${serve_sources} "${page_header}")
    set_target_properties(dlock-serve PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
    target_link_libraries(dlock-serve PRIVATE dlock_command PkgConfig::httplib)
    add_dependencies(dlock-cli dlock-serve)
endif()
