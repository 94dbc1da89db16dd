# Run by CPack when the packages are laid out: what Debian wants in each, and wants elsewhere.
set(source "${CMAKE_CURRENT_LIST_DIR}/..")
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER "${component}" component_upper)
    set(package "${CPACK_DEBIAN_${component_upper}_PACKAGE_NAME}")
    set(usr "${CPACK_TEMPORARY_DIRECTORY}/${component}/usr")
    set(documents "${usr}/share/doc/${package}")

    configure_file("${source}/packaging/debian/copyright" "${documents}/copyright" COPYONLY)
    configure_file("${source}/CHANGELOG.md" "${documents}/changelog" COPYONLY)
    file(WRITE "${documents}/changelog.Debian"
        "dlock (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
        "  * Built from the sources of ${CPACK_PACKAGE_VERSION}: see changelog.gz.\n\n"
        " -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
    configure_file("${source}/packaging/debian/lintian-overrides"
        "${usr}/share/lintian/overrides/${package}" COPYONLY)
    if(EXISTS "${usr}/share/zsh/site-functions")
        file(RENAME "${usr}/share/zsh/site-functions" "${usr}/share/zsh/vendor-completions")
    endif()

    file(GLOB manual "${usr}/share/man/man1/*.1")
    execute_process(COMMAND gzip -9n "${documents}/changelog" "${documents}/changelog.Debian" ${manual}
        COMMAND_ERROR_IS_FATAL ANY)
    file(GLOB_RECURSE archives "${usr}/lib/*.a")
    if(archives)
        execute_process(COMMAND strip --strip-debug --enable-deterministic-archives ${archives}
            COMMAND_ERROR_IS_FATAL ANY)
    endif()
endforeach()
