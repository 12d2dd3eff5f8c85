#!/usr/bin/env bash
# From nothing but Python 3.11 to a denoised picture: makes .venv, installs bioreco, denoises a real
# image that comes with it, and says where the picture is. Works from any folder, again and again.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

environment demo
images=(-name '*.tif' -o -name '*.tiff' -o -name '*.png' -o -name '*.mrc')
sample=$(find "$root/bioreco/data/samples" "${images[@]}" 2>/dev/null | sort | head -n 1 || true)
if [ -z "$sample" ]; then
    echo "There is no sample in $root/bioreco/data/samples." >&2
    exit 1
fi
demo=$root/outputs/demo
rm -rf "$demo"
mkdir -p "$demo"
cd "$demo"
"$bin/bioreco" denoise "$sample" -o "$demo" hydra.run.dir=run "$@"
echo
echo "The measured image:  $sample"
echo "The denoised image:  $(ls "$demo"/*_denoised.*)"
echo "Both, side by side:  $demo/run/preview.png"
