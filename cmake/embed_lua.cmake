# Writes OUTPUT, a C++ header with a constant of type Script (script/script.hpp) for each script of
# SCRIPT_DIR:
#
#   src/script/mutex/acquire.lua  ->  dlock::script::acquire
#   src/script/mutex/break.lua    ->  dlock::script::break_    (a C++ keyword)
#
# A line "-- include FILE.lua" is replaced by that file, in whichever folder it is: no two have the
# same name. Files whose name starts with "_" are includes only. The text begins with the script's
# first line, so "#!lua flags=..." stays first.
#
#   cmake -DSCRIPT_DIR=src/script -DOUTPUT=scripts.hpp -P embed_lua.cmake

cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE paths "${SCRIPT_DIR}/*.lua")
foreach(path IN LISTS paths)
    cmake_path(GET path FILENAME name)
    if(name IN_LIST names)
        message(FATAL_ERROR "${path}: another script has this name")
    endif()
    list(APPEND names "${name}")
    set("path_of_${name}" "${path}")
endforeach()

function(expand text_variable name depth)
    if(depth GREATER 8)
        message(FATAL_ERROR "${name}: includes itself")
    endif()
    file(READ "${path_of_${name}}" text)
    while(text MATCHES "(^|\n)(-- include ([A-Za-z0-9_.-]+)[ \t\r]*)(\n|$)")
        set(line "${CMAKE_MATCH_2}")
        set(before "${CMAKE_MATCH_1}")
        set(after "${CMAKE_MATCH_4}")
        set(file "${CMAKE_MATCH_3}")
        if(NOT file IN_LIST names)
            message(FATAL_ERROR "${path_of_${name}}: no such include: ${file}")
        endif()
        math(EXPR next "${depth} + 1")
        expand(included "${file}" ${next})
        string(REGEX REPLACE "\n$" "" included "${included}")
        string(REPLACE "${before}${line}${after}" "${before}${included}${after}" text "${text}")
    endwhile()
    set(${text_variable} "${text}" PARENT_SCOPE)
endfunction()

set(keywords and break case catch class continue default delete do else enum explicit export
    extern false for if inline int long new not operator or private public register return
    short signed sizeof static struct switch template this throw true try union unsigned using
    virtual void volatile while xor)

set(header "// Generated from src/script by cmake/embed_lua.cmake: edit those instead.\n")
string(APPEND header "#pragma once\n\n#include \"script/script.hpp\"\n\nnamespace dlock::script {\n\n")

list(SORT names)
foreach(file IN LISTS names)
    if(file MATCHES "^_")
        continue()
    endif()
    string(REGEX REPLACE "\\.lua$" "" name "${file}")
    if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
        message(FATAL_ERROR "${path_of_${file}}: the name must do as a C++ identifier")
    endif()
    if(name IN_LIST keywords)
        string(APPEND name "_")
    endif()
    expand(text "${file}" 0)
    string(FIND "${text}" ")lua\"" delimiter)
    if(NOT delimiter EQUAL -1)
        message(FATAL_ERROR "${path_of_${file}}: must not contain the text )lua\"")
    endif()
    if(NOT text MATCHES "^#!lua[^\n]*\n")
        message(FATAL_ERROR "${path_of_${file}}: must begin with #!lua")
    endif()
    string(SHA1 sha "${text}")
    string(LENGTH "${CMAKE_MATCH_0}" first_line)
    string(SUBSTRING "${text}" ${first_line} -1 plain)
    string(SHA1 plain_sha "${plain}")
    string(APPEND header "inline constexpr Script ${name}{R\"lua(${text})lua\",\n")
    string(APPEND header "    \"${sha}\", \"${plain_sha}\"};\n\n")
endforeach()

string(APPEND header "}  // namespace dlock::script\n")
file(WRITE "${OUTPUT}" "${header}")
