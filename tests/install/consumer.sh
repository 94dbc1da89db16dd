#!/usr/bin/env bash
# The package as a user gets it: installed and found by CMake or pkg-config; as a subdirectory; and
# by FetchContent.
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
    (cd "$work/prefix/share" && ls man/man1/dlock.1 man/man1/dlock-run.1 zsh/site-functions/_dlock \
        bash-completion/completions/dlock fish/vendor_completions.d/dlock.fish)
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

# All files of a layer are compiled alike. So one of each layer is compiled as a part of the user's
# project, and of the others the objects of our own build are taken.
cat >"$work/compile" <<'EOF'
#!/usr/bin/env bash
for ((i = 1; i < $#; ++i)); do
    [[ ${!i} != -o ]] || { j=$((i + 1)) && object=${!j}; }
done
ours=$DLOCK_BUILD_DIR/CMakeFiles/${object##*CMakeFiles/}
case $object in
    */core/engine/attempt.cpp.o | */redis/connection.cpp.o | */locks/semaphore.cpp.o | */c/client.cpp.o) ;;
    *) [[ ! -f $ours ]] || exec cp "$ours" "$object" ;;
esac
exec "$@"
EOF
chmod +x "$work/compile"
build_with() { # build_with NAME OPTION...
    say "$*"
    cmake -G Ninja -S "$here/consumer" -B "$work/$1" -DDLOCK_SOURCE_DIR="$DLOCK_SOURCE_DIR" "${@:2}" \
        -DCMAKE_CXX_COMPILER_LAUNCHER="$work/compile${launcher:+;$launcher}" >"$work/$1.log"
    cmake --build "$work/$1" -j 2 >>"$work/$1.log" || { cat "$work/$1.log" && exit 1; }
    "$work/$1/consumer"
    "$work/$1/c_consumer"
}
build_with add_subdirectory -DBUILD_SHARED_LIBS=OFF
build_with FetchContent -DFETCH=ON -DBUILD_SHARED_LIBS=ON
rm -rf "$work"
