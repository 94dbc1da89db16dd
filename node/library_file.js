// Which file is the C library: that of $DLOCK_LIBRARY, else that of the package for this platform, else
// the system's.
'use strict';

const process = require('node:process');

const { name, version } = require('./package.json');

const SYSTEM = 'libdlock.so.1';

// npm installs the packages that fit this machine; older ones ignore the libc.
function packaged(libc) {
  const platform = `${name}-${process.platform}-${process.arch}-${libc}`;
  try {
    if (require(`${platform}/package.json`).version !== version) return undefined; // another dlock's
    return require.resolve(`${platform}/${SYSTEM}`);
  } catch {
    return undefined;
  }
}

// Takes a while: only where both are there.
const isMusl = () => !process.report.getReport().header.glibcVersionRuntime;

function libraryFile() {
  if (process.env.DLOCK_LIBRARY) return process.env.DLOCK_LIBRARY;
  const [gnu, musl] = ['gnu', 'musl'].map(packaged);
  return (gnu && musl && isMusl() ? musl : (gnu ?? musl)) ?? SYSTEM;
}

const file = libraryFile();

/** Loads it by `load`, which gets its path. */
function loaded(load) {
  try {
    return load(file);
  } catch (error) {
    const hint =
      file === SYSTEM
        ? `npm leaves the package ${name}-${process.platform}-${process.arch}-gnu or -musl out if it shall ` +
          'omit optional dependencies, or if there is none; $DLOCK_LIBRARY may name the file'
        : 'it may be for another platform';
    throw new Error(`cannot load the library of dlock (${error.message}): ${hint}`, { cause: error });
  }
}

// What it exports as an addon. None in a runtime that is not quite Node.js.
function addonOf() {
  const addon = { exports: {} };
  try {
    process.dlopen(addon, file);
  } catch {
    return {};
  }
  return addon.exports;
}

module.exports = { addonOf, loaded };
