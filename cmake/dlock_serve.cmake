# `dlock serve`, which alone needs cpp-httplib. Where that is a shared library, which needs others,
# dlock-serve is a program of its own; with DLOCK_HTTPLIB_DIR it is in the command.
set(DLOCK_HTTPLIB_DIR "" CACHE PATH "A directory with cpp-httplib as one header, httplib.h")
set(DLOCK_LIBEXEC "../${CMAKE_INSTALL_LIBEXECDIR}/dlock")    # from the command's directory
if(DLOCK_HTTPLIB_DIR)
    set(httplib_FOUND TRUE)
    set_source_files_properties("${cli_main}" PROPERTIES COMPILE_DEFINITIONS DLOCK_SERVE_INSIDE)
else()
    set_source_files_properties("${cli_main}" PROPERTIES
        COMPILE_DEFINITIONS "DLOCK_LIBEXEC=\"${DLOCK_LIBEXEC}\"")
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(httplib QUIET IMPORTED_TARGET cpp-httplib)
    endif()
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
    if(DLOCK_HTTPLIB_DIR)
        list(FILTER serve_sources EXCLUDE REGEX "/serve_main\\.cpp$")
        target_sources(dlock-cli PRIVATE ${serve_sources} "${page_header}")
        target_include_directories(dlock-cli SYSTEM PRIVATE "${DLOCK_HTTPLIB_DIR}")
    else()
        add_executable(dlock-serve ${serve_sources} "${page_header}")
        set_target_properties(dlock-serve PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
        target_link_libraries(dlock-serve PRIVATE dlock_command PkgConfig::httplib)
        add_dependencies(dlock-cli dlock-serve)
    endif()
endif()
