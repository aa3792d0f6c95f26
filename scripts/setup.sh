#!/usr/bin/env bash
# Makes .venv with deepbird in it. Needs Python 3.11, a C/C++ compiler and the package registries; does nothing when
# all is in place. VENV names another folder, EXTRAS other extras than "dev".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${VENV:-.venv}
extras=${EXTRAS-dev}

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "deepbird needs Python 3.11. Install it, or name it: PYTHON=/path/to/python3.11 $0"
    exit 1
}

have_liblzo2() {
    printf '#include <lzo/lzo1x.h>\nint main(void) { return lzo_init(); }\n' |
        "${CC:-cc}" -x c - -o /dev/null -llzo2 2>/dev/null
}

need_liblzo2() {
    have_liblzo2 && return
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then
        say "installing liblzo2-dev, which python-lzo is compiled against"
        { "${as_root[@]}" apt-get update -qq &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq liblzo2-dev; } >&2 || true
    fi
    have_liblzo2 && return
    say "python-lzo has no wheel and is compiled against liblzo2, whose headers are not here."
    say "Install them and start again: apt-get install liblzo2-dev (Debian, Ubuntu), dnf install lzo-devel (Fedora),"
    say "brew install lzo (macOS)."
    exit 1
}

stamp="$venv/.deepbird-setup"
wanted="$extras $(cat pyproject.toml CMakeLists.txt scripts/setup.sh deepbird_v2/*/native/* deepbird_v2/*/core/* | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

command -v "${CC:-cc}" >/dev/null || { say "deepbird needs a C/C++ compiler: apt-get install build-essential"; exit 1; }
need_liblzo2
python=$(find_python)
say "setting up $venv (a few minutes the first time: TensorFlow is large)"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# Without compiled bytecode every import of TensorFlow takes 20 s in place of 5.
VIRTUAL_ENV=$PWD/$venv
case $venv in /*) VIRTUAL_ENV=$venv ;; esac
export VIRTUAL_ENV
"$venv/bin/uv" pip install --quiet --compile-bytecode --reinstall-package deepbird -e ".${extras:+[$extras]}"
printf '%s' "$wanted" >"$stamp"
