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

now() { date +%s%N; }

# Prints the seconds since $1, and what took them.
took() { awk -v ns=$(($(now) - $1)) -v what="$2" 'BEGIN { printf "%7.1f s  %s\n", ns / 1e9, what }'; }

# What a page's blocks do happens in one shell, so that `source .venv/bin/activate` lasts.
walk() {
  local name=$1 begin number kind does
  cd "$scratch"
  begin=$(now)
  git clone --quiet "$root" "$name"
  cd "$name"
  export PIP_CONSTRAINT="$PWD/constraints.txt"
  "$python" -m venv .venv
  # shellcheck disable=SC1091
  source .venv/bin/activate
  took "$begin" "a clone, and an empty environment in it"
  python docs/walk.py list "$name" >"$scratch/steps"
  while read -r number kind does <&3; do
    begin=$(now)
    case $kind in
      file) python docs/walk.py show "$name" "$number" >"$does" ;;
      console)
        python docs/walk.py show "$name" "$number" >"$scratch/commands"
        # shellcheck disable=SC1091
        source "$scratch/commands"
        ;;
      python) python docs/walk.py play "$name" "$number" ;;
    esac
    [[ $kind == python ]] || took "$begin" "$does"
  done 3<"$scratch/steps"
}

for name in "${walks[@]}"; do
  printf '\n== %s\n' "$name"
  begin=$(now)
  (walk "$name")
  took "$begin" "in all"
done
