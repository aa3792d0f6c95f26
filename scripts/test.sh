#!/usr/bin/env bash
# Every check that a change must pass: lint, types, tests, parity with real Torch. Name one to run it alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
venv=${VENV:-.venv}
exec "$venv/bin/tox" run -e "${1:-lint,type,py311,parity}"
