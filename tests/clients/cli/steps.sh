# What the command line clients share; sourced by each script. `step NAME COMMAND...` runs one step and prints its line.
set -u
cd "$S3_WORK"

step() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok $name"
  else
    echo "failed $name: $(tail -c 400 <<<"$output" | tr '\n' ' ')"
  fi
}

# `set -e` does not work inside a condition, so every command that may fail goes through this.
must() { "$@" || { echo "failed command: $*"; exit 1; }; }

same() { must cmp "$1" "$2"; }

equal() {
  if [ "$1" != "$2" ]; then
    echo "expected $2, got $1"
    exit 1
  fi
}

contains() {
  if ! grep -qi -- "$1" <<<"$2"; then
    echo "expected $1 in: $2"
    exit 1
  fi
}
