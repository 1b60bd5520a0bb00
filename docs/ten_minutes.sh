#!/usr/bin/env bash
# Four strangers with a file of their own: each in an empty environment, each doing literally what a
# page says, with the time of every step.
#
#   bash docs/ten_minutes.sh                  # all four
#   bash docs/ten_minutes.sh csv keypoints    # some
#
# Its commands are those of the pages: docs/walk.py takes them from there. A walk happens in a fresh
# clone of what is committed, with the versions of constraints.txt, and without what other programs
# have kept, but for pip's downloads.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
walks=("$@")
((${#walks[@]})) || walks=(mesh csv pyg keypoints)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset PYTHONPATH VIRTUAL_ENV NUMBA_CACHE_DIR MPLCONFIGDIR
PIP_CACHE_DIR=$("$python" -m pip cache dir)
export PIP_CACHE_DIR PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 XDG_CACHE_HOME="$scratch/cache"

# Sets `clock` to the nanoseconds, and `worked` to the milliseconds of a processor, until now. On a busy
# machine the second tells more.
look_at_the_clock() {
  clock=$(date +%s%N)
  times >"$scratch/times"
  worked=$(awk '{ for (i = 1; i <= NF; i++) { split($i, t, "[ms]"); sum += 60 * t[1] + t[2] } }
                END { printf "%d", 1000 * sum }' "$scratch/times")
}

# Prints the seconds since $1 and $2, and what took them.
took() {
  look_at_the_clock
  awk -v ns=$((clock - $1)) -v ms=$((worked - $2)) -v what="$3" \
    'BEGIN { printf "%7.1f s  (%.1f s of a processor)  %s\n", ns / 1e9, ms / 1e3, what }'
}

# What a page's blocks do happens in one shell, so that `source .venv/bin/activate` lasts.
walk() {
  local name=$1 begin spent number kind does
  cd "$scratch"
  look_at_the_clock
  begin=$clock spent=$worked
  git clone --quiet "$root" "$name"
  cd "$name"
  export PIP_CONSTRAINT="$PWD/constraints.txt"
  "$python" -m venv .venv
  # shellcheck disable=SC1091
  source .venv/bin/activate
  took "$begin" "$spent" "a clone, and an empty environment in it"
  python docs/walk.py list "$name" >"$scratch/steps"
  while read -r number kind does <&3; do
    look_at_the_clock
    begin=$clock spent=$worked
    case $kind in
      file) python docs/walk.py show "$name" "$number" >"$does" ;;
      console)
        python docs/walk.py show "$name" "$number" >"$scratch/commands"
        # shellcheck disable=SC1091
        source "$scratch/commands"
        ;;
      python) python docs/walk.py play "$name" "$number" ;;
    esac
    [[ $kind == python ]] || took "$begin" "$spent" "$does"
  done 3<"$scratch/steps"
}

for name in "${walks[@]}"; do
  printf '\n== %s\n' "$name"
  look_at_the_clock
  begin=$clock spent=$worked
  (walk "$name")
  took "$begin" "$spent" "in all"
done
