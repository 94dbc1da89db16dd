# dlock_script: the Lua scripts of src/script as constants in the generated header
# script/scripts.hpp. Remade when a script changes.

file(GLOB_RECURSE lua_files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/script/*.lua")
set(scripts_header "${CMAKE_CURRENT_BINARY_DIR}/generated/script/scripts.hpp")
add_custom_command(
    OUTPUT "${scripts_header}"
    COMMAND "${CMAKE_COMMAND}"
        "-DSCRIPT_DIR=${CMAKE_CURRENT_SOURCE_DIR}/src/script" "-DOUTPUT=${scripts_header}"
        -P "${CMAKE_CURRENT_LIST_DIR}/embed_lua.cmake"
    DEPENDS ${lua_files} "${CMAKE_CURRENT_LIST_DIR}/embed_lua.cmake"
    COMMENT "Embedding the Lua scripts"
    VERBATIM)
add_custom_target(dlock_scripts_header DEPENDS "${scripts_header}")

add_library(dlock_script INTERFACE)
add_dependencies(dlock_script dlock_scripts_header)
