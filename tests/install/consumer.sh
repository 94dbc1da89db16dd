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
"$work/found/c_consumer"

say "find_package, in C alone"
mkdir "$work/c"
sed -e 's/ CXX)/)/' -e '/(consumer main.cpp)/d' -e '/dlock::dlock/d' "$here/consumer/CMakeLists.txt" \
    >"$work/c/CMakeLists.txt"
cp "$here/consumer/main.c" "$work/c"
cmake -G Ninja -S "$work/c" -B "$work/c/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/c.log" 2>&1 &&
    cmake --build "$work/c/build" >>"$work/c.log" || { cat "$work/c.log" && exit 1; }
"$work/c/build/c_consumer"

say "pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name dlock.pc)")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
read -ra flags <<<"$(pkg-config --cflags dlock)"
read -ra libraries <<<"$(pkg-config --libs dlock)"
"${launcher[@]}" g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" \
    -c "$here/consumer/main.cpp" -o "$work/main.o"
g++ "$work/main.o" "${libraries[@]}" -o "$work/with-pkg-config"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir dlock) "$work/with-pkg-config"
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror "$here/consumer/main.c" "${flags[@]}" "${libraries[@]}" \
    -o "$work/c-with-pkg-config"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir dlock) "$work/c-with-pkg-config"
read -ra libraries <<<"$(pkg-config --libs --static dlock)"
gcc -std=c11 "$here/consumer/main.c" "${flags[@]}" "${libraries[@]/#-ldlock/-l:libdlock.a}" \
    -o "$work/c-static"
"$work/c-static"
"$work/c-static"

# One build directory, so that the second round links the objects of the first.
for shared in OFF ON; do
    say "add_subdirectory, BUILD_SHARED_LIBS=$shared"
    cmake -G Ninja -S "$here/consumer" -B "$work/sub" -DBUILD_SHARED_LIBS=$shared \
        -DDLOCK_SOURCE_DIR="$DLOCK_SOURCE_DIR" \
        ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="${launcher[*]}"} >"$work/sub.log"
    cmake --build "$work/sub" -j 2 >>"$work/sub.log" || { cat "$work/sub.log" && exit 1; }
    "$work/sub/consumer"
    "$work/sub/c_consumer"
done
rm -rf "$work"
