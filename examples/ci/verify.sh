#!/usr/bin/env bash
# Converts a v1 model, replays recorded traffic against it, and compares with the last accepted run.
#
#   examples/ci/verify.sh MODEL.yaml WEIGHTS.t7 REQUESTS V1_RESPONSES
#
# OUT       where model and reports go (default: out)
# BASELINE  predictions of the last accepted run, kept between runs (default: $OUT/baseline)
# SLICES    file of slices, one "name: SQL predicate" a line (default: none)
# POLICY    tolerance policy of verify traffic (default: the packaged one)
# Exit code: that of `deepbird verify traffic`; a change against the baseline is shown, not judged.
set -euo pipefail

if [ $# -ne 4 ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
config=$1 weights=$2 requests=$3 responses=$4
out=${OUT:-out}
baseline=${BASELINE:-$out/baseline}
deepbird=${DEEPBIRD:-deepbird}
report=$out/report

options=()
if [ -n "${POLICY:-}" ]; then
    options+=(--policy "$POLICY")
fi
if [ -n "${SLICES:-}" ]; then
    if [ ! -r "$SLICES" ]; then
        echo "SLICES=$SLICES: no such file" >&2
        exit 2
    fi
    while IFS= read -r slice || [ -n "$slice" ]; do
        [ -z "$slice" ] || options+=(--slice "$slice")
    done <"$SLICES"
fi

rm -rf "$report"
mkdir -p "$report" "$baseline"
$deepbird convert "$config" --weights "$weights" -o "$out/model" --overwrite
code=0
$deepbird verify traffic --v1 "$responses" --requests "$requests" --v2 "$out/model" --v1-model "$weights" \
    --report "$report" ${options[@]+"${options[@]}"} || code=$?

# What changed since the last run that was accepted, whatever v1 says.
$deepbird predict "$out/model" "$requests" -o "$out/predictions.parquet"
if [ -f "$baseline/predictions.parquet" ]; then
    $deepbird diff "$baseline/predictions.parquet" "$out/predictions.parquet" --report "$report/since-baseline" ||
        case $? in
        1) echo "v2 changed since the baseline: $report/since-baseline/report.html" ;;
        *) echo "v2 cannot be compared with the baseline $baseline" ;;
        esac
fi
if [ "$code" -eq 0 ]; then
    cp "$out/predictions.parquet" "$baseline/.predictions.parquet"
    mv "$baseline/.predictions.parquet" "$baseline/predictions.parquet"
fi
exit "$code"
