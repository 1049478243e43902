# shellcheck shell=bash
# Sourced by bin/run and bin/test: goes to the project's folder and keeps its .venv up to date.

set -euo pipefail

# An empty environment is enough to work in.
export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
export PIP_DISABLE_PIP_VERSION_CHECK=1

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
python=.venv/bin/python

stop() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Whether a Python runs and is new enough.
works() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Prints the newest Python that can make a .venv, or stops with what to install.
find_python() {
  local candidate without_venv=
  for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
    if works "$candidate"; then
      # On Debian both come apart from Python itself, for each version of it.
      if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        printf '%s' "$candidate"
        return
      fi
      without_venv+=" $candidate"
    fi
  done
  [ -z "$without_venv" ] ||
    stop "The venv module is missing for:$without_venv. Install it: apt install python3-venv"
  stop "Nextup needs Python 3.11 or newer. Install it: apt install python3 python3-venv"
}

# What an installed FILE stands for: it is installed again when this changes.
fingerprint() {
  { "$python" -V && cat requirements*.txt constraints.txt; } 2>/dev/null | sha256sum
}

installed() {
  [ -e .venv/complete ] && [ "$(cat ".venv/$1.installed" 2>/dev/null)" = "$(fingerprint)" ]
}

# install_requirements FILE: makes .venv if need be and installs FILE into it if that changed.
# .venv/complete is there only while nothing is half-done; after an interruption all begins anew.
install_requirements() (
  installed "$1" && exit
  trap 'exit 130' INT TERM
  # Two starts at once: the second waits here, then finds everything done.
  exec 9<"$root"
  flock 9
  installed "$1" && exit
  # One that works stays, whatever else has been installed since.
  if [ ! -e .venv/complete ] || ! works "$python"; then
    interpreter=$(find_python)
    echo "Making .venv with $interpreter" >&2
    rm -rf .venv
    "$interpreter" -m venv .venv >&2 || stop "Could not make .venv with $interpreter."
  fi
  echo "Installing $1 into .venv; this is needed once" >&2
  rm -f .venv/complete ".venv/$1.installed"
  status=0
  "$python" -m pip install --quiet --requirement "$1" >.venv/pip.log 2>&1 || status=$?
  # A pip that fails undoes what it began, so what was complete before still is.
  touch .venv/complete
  [ "$status" = 0 ] || stop "Could not install $1; .venv/pip.log says why. Is there a network?"
  fingerprint >".venv/$1.installed"
)
