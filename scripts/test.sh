#!/usr/bin/env bash
# Every check that a change must pass: lint, types, the whole test suite.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
venv=${VENV:-.venv}
exec "$venv/bin/tox" run -e "${1:-lint,type,py311}"
