#!/usr/bin/env bash
# Every denoiser on several data sets, three seeds each, as one Markdown table per data set:
#   scripts/denoising_table.sh OUT [RAW GT]
# OUT gets the runs and OUT/NAME/leaderboard.md. RAW and GT are folders of single-channel images and
# their truth, NAME_1.png with NAME.png. STEPS=1000 says how long each is trained, ONLY="NAME ..."
# which data sets are done, METHODS=n2v,n2s and SEEDS=0,1 what is run. A run that fails is left out of
# its table, and told by the exit status.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

out=$(realpath -m "${1:?usage: scripts/denoising_table.sh OUT [RAW GT]}")
learned=n2v,n2v2,n2s,struct_n2v,pn2v,divnoising,self2self,noise2score,zero_shot
single=${METHODS:-gaussian,median,nlm,wavelet,tv,$learned}
both=${METHODS:-$single,n2n,supervised}

environment demo
# table NAME METHODS OPTION ... : one sweep, one leaderboard
table() {
  local name=$1 methods=$2
  shift 2
  [[ -z ${ONLY:-} || " $ONLY " == *" $name "* ]] || return 0
  "$bin/bioreco" train -m experiment=denoising_table "method=$methods" "seed=${SEEDS:-0,1,2}" \
    "trainer.steps=${STEPS:-1000}" "hydra.sweep.dir=$out/$name" "$@" || failed=1
  "$bin/bioreco" compare "$out/$name" -o "$out/$name"
}

table poisson_gaussian "$both" data=synthetic data.count=1
table gaussian_25 "$both" data=synthetic data.count=1 data.gain=0 data.read=25
table streaks "$both" data=synthetic data.count=1 data.read=15 data.correlation=0.7
table em "$single" data=em
if [[ $# -ge 3 ]]; then
  for noisy in "$2"/*; do
    name=$(basename "${noisy%.*}")
    name=${name%_1}
    truth=$(ls "$3/$name".*)
    table "$name" "$single" data=files "data.paths=['$noisy']" "data.reference=['$truth']"
  done
fi
exit "${failed:-0}"
