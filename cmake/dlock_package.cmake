# cpack -G DEB: the Debian packages libdlock1, libdlock-dev and dlock, one for each component. With
# CMAKE_INSTALL_PREFIX=/usr their files are where Debian has them.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "The dlock authors <maintainers@dlock.invalid>" CACHE STRING
    "Maintainer of the packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")    # each package has its own
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/debian_files.cmake")

set(CPACK_COMPONENTS_ALL library development command)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Who uses the library needs this very version: so it is with its C++ interface.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(description "\
Programs on one machine or many take turns. Waiters are served in order;\n\
a holder is told before its lease ends, and has a number by which a\n\
resource can refuse the one who comes too late.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libdlock1)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "distributed lock on Redis (library)\n${description}")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS libssl3)    # loaded when it is needed
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
    "${CMAKE_CURRENT_SOURCE_DIR}/packaging/debian/triggers")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libdlock-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
    "distributed lock on Redis (development files)\n${description}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libdlock1 (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME dlock)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "distributed lock on Redis (command)\n${description}")
set(CPACK_DEBIAN_COMMAND_PACKAGE_RECOMMENDS "redis-server (>= 5:7.0) | valkey-server, libssl3")

if(NOT DLOCK_BUILD_CLI)
    list(REMOVE_ITEM CPACK_COMPONENTS_ALL command)
endif()
if(CMAKE_CROSSCOMPILING)    # by cmake/zig.cmake: only the command, which needs nothing but libc
    set(CPACK_COMPONENTS_ALL command)
    set(CPACK_STRIP_FILES OFF)    # this machine's strip does not know it
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
    set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS OFF)
    set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "libc6 (>= 2.28)")
endif()

include(CPack)
