# Writes OUTPUT, a C++ header with a constant for each file of PAGE_DIR:
#
#   src/cli/serve/page/index.html  ->  dlock::page::index_html
#
#   cmake -DPAGE_DIR=src/cli/serve/page -DOUTPUT=page.hpp -P embed_page.cmake

cmake_minimum_required(VERSION 3.25)

set(header "// Made by cmake/embed_page.cmake.\n#pragma once\n\n#include <string_view>\n\nnamespace dlock::page {\n\n")
file(GLOB paths "${PAGE_DIR}/*")
foreach(path IN LISTS paths)
    cmake_path(GET path FILENAME name)
    string(REPLACE "." "_" name "${name}")
    file(READ "${path}" text)
    string(APPEND header "inline constexpr std::string_view ${name} = R\"page(${text})page\";\n\n")
endforeach()
file(WRITE "${OUTPUT}" "${header}}  // namespace dlock::page\n")
