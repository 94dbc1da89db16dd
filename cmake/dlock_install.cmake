# cmake --install: headers, libraries, the CMake package "dlock" and dlock.pc; the command, its manual
# pages and completions; alerts and a dashboard. The components are packages of dlock_package.cmake, but for documents.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dlock")

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)
install(DIRECTORY include/dlock DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING
    PATTERN "*.hpp" PATTERN "*.h")
install(TARGETS dlock dlock_shared EXPORT dlockTargets
    LIBRARY COMPONENT library NAMELINK_COMPONENT development)
if(TARGET dlock-cli)
    install(TARGETS dlock-cli COMPONENT command)
    if(TARGET dlock-serve)
        install(TARGETS dlock-serve COMPONENT command
            DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/dlock")
    endif()
    install(FILES completions/dlock.bash COMPONENT command RENAME dlock
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
    install(FILES completions/_dlock COMPONENT command
        DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
    install(FILES completions/dlock.fish COMPONENT command
        DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
    install(FILES packaging/prometheus/alerts.yml packaging/prometheus/alerts_test.yml
        COMPONENT command DESTINATION "${CMAKE_INSTALL_DATADIR}/dlock/prometheus")
    install(FILES packaging/grafana/dlock.json
        COMPONENT command DESTINATION "${CMAKE_INSTALL_DATADIR}/dlock/grafana")
endif()
# The manual pages are what the command says of itself, so it has to run here; or another build has
# made them.
set(DLOCK_MAN_PAGES "" CACHE PATH "A directory with manual pages, for a command that cannot run here")
if(DLOCK_MAN_PAGES)
    install(DIRECTORY "${DLOCK_MAN_PAGES}/" COMPONENT command DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
elseif(TARGET dlock-cli AND NOT DLOCK_SANITIZE AND
        (NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR))
    set(man_dir "${CMAKE_CURRENT_BINARY_DIR}/man1")
    string(TIMESTAMP today "%Y-%m-%d" UTC)
    add_custom_command(
        OUTPUT "${man_dir}/dlock.1"
        COMMAND sh "${CMAKE_CURRENT_LIST_DIR}/man_pages.sh"
            $<TARGET_FILE:dlock-cli> ${PROJECT_VERSION} ${today} "${man_dir}"
        DEPENDS dlock-cli
            "${CMAKE_CURRENT_LIST_DIR}/man_pages.sh" "${CMAKE_CURRENT_LIST_DIR}/man_page.awk"
        COMMENT "Writing the manual pages"
        VERBATIM)
    add_custom_target(dlock-man ALL DEPENDS "${man_dir}/dlock.1")
    install(DIRECTORY "${man_dir}" COMPONENT command DESTINATION "${CMAKE_INSTALL_MANDIR}")
endif()
foreach(file IN ITEMS LICENSE README.md)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
        install(FILES ${file} COMPONENT documents DESTINATION "${CMAKE_INSTALL_DOCDIR}")
    endif()
endforeach()

# The CMake package.
install(EXPORT dlockTargets NAMESPACE dlock:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/dlockConfig.cmake.in
    "${CMAKE_CURRENT_BINARY_DIR}/dlockConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/dlockConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/dlockConfig.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/dlockConfigVersion.cmake"
    DESTINATION "${package_dir}")

# pkg-config. Directories may be absolute or relative to the prefix, which is found from the
# file's own place where it can be.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_prefix}")
endif()
set(pc_libdir "\${prefix}")
cmake_path(APPEND pc_libdir "${CMAKE_INSTALL_LIBDIR}")
set(pc_includedir "\${prefix}")
cmake_path(APPEND pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(cmake/dlock.pc.in dlock.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dlock.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
