#!/usr/bin/env bash
# The package as a user gets it: installed and found by CMake or pkg-config, and as a subdirectory.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$DLOCK_BUILD_DIR/install-test
rm -rf "$work"
mkdir -p "$work"
say() { printf '== %s\n' "$*"; }
launcher=()
command -v ccache >/dev/null && launcher=(ccache)

say "install"
cmake --install "$DLOCK_BUILD_DIR" --prefix "$work/before" >"$work/install.log"
mv "$work/before" "$work/prefix" # the package must not mind being moved
if [[ -x $DLOCK_BIN ]]; then
    [[ $("$work/prefix/bin/dlock" --version) == *[0-9].[0-9]* ]]
fi
if grep -rF -e "$DLOCK_BUILD_DIR" -e "$DLOCK_SOURCE_DIR" --include='*.cmake' --include='*.pc' "$work/prefix"; then
    echo "the package names the directory it was built in"
    exit 1
fi

say "find_package"
cmake -G Ninja -S "$here/consumer" -B "$work/found" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/found.log"
cmake --build "$work/found" >>"$work/found.log" || { cat "$work/found.log" && exit 1; }
"$work/found/consumer"

say "pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name dlock.pc)")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
read -ra flags <<<"$(pkg-config --cflags dlock)"
read -ra libraries <<<"$(pkg-config --libs dlock)"
"${launcher[@]}" g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" \
    -c "$here/consumer/main.cpp" -o "$work/main.o"
g++ "$work/main.o" "${libraries[@]}" -o "$work/with-pkg-config"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir dlock) "$work/with-pkg-config"

# One build directory, so that the second round links the objects of the first.
for shared in OFF ON; do
    say "add_subdirectory, BUILD_SHARED_LIBS=$shared"
    cmake -G Ninja -S "$here/consumer" -B "$work/sub" -DBUILD_SHARED_LIBS=$shared \
        -DDLOCK_SOURCE_DIR="$DLOCK_SOURCE_DIR" \
        ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="${launcher[*]}"} >"$work/sub.log"
    cmake --build "$work/sub" -j 2 >>"$work/sub.log" || { cat "$work/sub.log" && exit 1; }
    "$work/sub/consumer"
done
rm -rf "$work"
