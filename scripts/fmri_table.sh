#!/usr/bin/env bash
# Multiband functional MRI as in Fig. 4 of the review, on the simulation, over seeds:
#   scripts/fmri_table.sh OUT [key=value ...]
# SENSE, Tikhonov, split-slice GRAPPA, SSDU, multi-mask SSDU and naive self-supervision. OUT gets
# the runs, leaderboard.md with mean and standard deviation over the seeds, and fig4_SEED.png with
# image, error, tSNR, phase and response beside the truth. SEEDS=0,1,2 says which seeds are run,
# METHODS=ssdu,naive_ssl what else than multi-mask SSDU. Some 30 minutes a seed on two cores; the naive
# loss starts from a smooth image, since it has nothing to spoil in nearly converged least squares.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

out=$(realpath -m "${1:?usage: scripts/fmri_table.sh OUT [key=value ...]}")
shift
seeds=${SEEDS:-0,1,2}
methods=${METHODS:-ssdu,naive_ssl}
environment demo
for seed in ${seeds//,/ }; do
  run() {
    "$bin/bioreco" train experiment=fmri_sms "seed=$seed" "method=$1" "hydra.run.dir=$out/$1_$seed" \
      "${@:2}"
  }
  run multimask_ssdu "$@"
  for method in ${methods//,/ }; do
    more=('baselines=[]')
    [[ $method != naive_ssl ]] || more+=(network.start=6)
    run "$method" "${more[@]}" "$@"
  done
  shown=()
  for method in ssdu multimask_ssdu; do
    [[ ! -d $out/${method}_$seed ]] || shown+=("$out/${method}_$seed")
  done
  "$bin/python" "$root/scripts/fmri_picture.py" "$out/fig4_$seed.png" "${shown[@]}"
done
"$bin/bioreco" compare "$out" -o "$out"
