# cmake --install: headers, libraries, command, the CMake package "dlock" and dlock.pc.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dlock")

install(DIRECTORY include/dlock DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING
    PATTERN "*.hpp" PATTERN "*.h")
install(TARGETS dlock dlock_shared EXPORT dlockTargets)
if(TARGET dlock-cli)
    install(TARGETS dlock-cli)
endif()
foreach(file IN ITEMS LICENSE README.md)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
        install(FILES ${file} DESTINATION "${CMAKE_INSTALL_DOCDIR}")
    endif()
endforeach()
if(DLOCK_HIREDIS_BUNDLED)
    install(FILES "${DLOCK_HIREDIS_COPYRIGHT}" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        RENAME hiredis.copyright)
endif()

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
set(pc_requires "")    # of the static library
if(NOT DLOCK_HIREDIS_BUNDLED)
    set(pc_requires "hiredis >= 1.1")
endif()
configure_file(cmake/dlock.pc.in dlock.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dlock.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
