# Sourced by whatever builds a release binary: the same commit gives the same bytes, wherever it is built.
#
# Paths of the machine would end up in panic messages. Times come from the commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
RUSTFLAGS="--remap-path-prefix=$PWD=/source --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
RUSTFLAGS+=" --remap-path-prefix=$(rustc --print sysroot)=/rust"
export SOURCE_DATE_EPOCH RUSTFLAGS
