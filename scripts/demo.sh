#!/usr/bin/env bash
# The main job on the flights model: convert v1 to TensorFlow 2, and compare with what v1 answered.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
deepbird=${VENV:-.venv}/bin/deepbird

for model in flights flights_split; do
    "$deepbird" convert "golden/flights/$model.yaml" --weights "golden/flights/$model.t7" -o "out/$model" --overwrite
    "$deepbird" verify inference --v1 golden/flights/v1_responses.lzo --requests golden/flights/requests.lzo \
        --v2 "out/$model" --report "out/report/$model"
done
