#!/bin/sh
# Gaussian blur (9 taps) and median (5x5) of one 4096x4096 picture of 8 bits in libvips, ImageMagick and GEGL, two cores
# each: what `cargo bench -p underpaint-filters --bench host -- 'two cores'` measures of the same filters in the sandbox.
# libvips is measured from memory to memory, by vips.py; the filter's own precision stands beside its own if the program
# is given. Of the others it is milliseconds of wall time, the least of 3 runs; what only loads and saves the picture is
# measured the same way and taken off. GEGL times its operations itself. ImageMagick's median takes minutes, so it is
# measured on a sixteenth and told sixteen times.
#
#   apt install libvips42 imagemagick gegl; pip install pyvips numpy; tests/bench/filters.sh [target/debug/underpaint]
set -eu
python3 "$(dirname "$0")/vips.py" "$@"
side=${SIDE:-4096}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 - "$side" <<'PY'
import random, sys
side = int(sys.argv[1])
random.seed(1)
open("in.ppm", "wb").write(b"P6\n%d %d\n255\n" % (side, side) + random.randbytes(side * side * 3))
PY
convert in.ppm -crop "$((side / 4))x$((side / 4))+0+0" +repage small.ppm
export OMP_NUM_THREADS=2 MAGICK_THREAD_LIMIT=2 GEGL_THREADS=2

ms() {
    best=999999999
    for _ in 1 2 3; do
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1 || { echo "failed: $*" >&2; return; }
        took=$(( ($(date +%s%N) - start) / 1000000 ))
        [ "$took" -lt "$best" ] && best=$took
    done
    echo "$best"
}
row() { printf '%-28s %8s ms   less loading and saving %8s ms\n' "$1" "$2" "$(( $2 - $3 ))"; }

base=$(ms convert in.ppm out.ppm)
row "ImageMagick -blur 4x1.5" "$(ms convert in.ppm -blur 4x1.5 out.ppm)" "$base"
base=$(ms convert small.ppm out.ppm)
row "ImageMagick -statistic Median" "$(($(ms convert small.ppm -statistic Median 5x5 out.ppm) * 16))" "$((base * 16))"

# What GEGL says the operation took, in milliseconds.
gegl_ms() {
    operation=$1
    shift
    for _ in 1 2 3; do
        GEGL_DEBUG_TIME=1 GEGL_CACHE_SIZE=4000 gegl in.ppm -o out.ppm -- "$@" 2>/dev/null
    done | awk -v operation="$operation" '
        /^Total time/ { total = $3 + 0 }
        $1 == "process" { share = $2 / 100 }
        $1 == operation { took = total * share * $2 * 10; if (!best || took < best) best = took }
        END { printf "%.0f", best }'
}
row "GEGL gaussian-blur" "$(gegl_ms gegl:gblur-1d gegl:gaussian-blur std-dev-x=1.5 std-dev-y=1.5)" 0
row "GEGL median-blur" "$(gegl_ms gegl:median-blur gegl:median-blur radius=2)" 0
