#!/bin/sh
# What a run of CMANet leaves for other programs, opened by theirs: Khronos' glTF validator, assimp, NumPy
# and Python. Speaks TAP.
# usage: export_test.sh MVGRAPH SOURCE_ROOT
set -u
mvgraph=$1
source=$2
python=/usr/bin/python3 # the one that Debian's packages are for
[ -x $python ] || python=python3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
count=0

# check NAME COMMAND...: one test; exit code 77 skips it, with the last line of what was printed as the reason
check() {
  name=$1
  shift
  count=$((count + 1))
  "$@" >check.log 2>&1
  case $? in
    0) echo "ok $count - $name" ;;
    77) echo "ok $count - $name # SKIP $(tail -n 1 check.log)" ;;
    *)
      echo "not ok $count - $name"
      sed 's/^/# /' check.log
      ;;
  esac
}

if ! "$mvgraph" devices | grep -q '^[0-9]'; then
  echo "1..0 # SKIP no Vulkan device"
  exit 0
fi

# Few samples and steps, a narrow network.
train() {
  "$mvgraph" run "$source/models/cmanet.lua" --preset tiny --out run --set data.train_count=8 --set data.test_count=12 \
    --set batch=2 --set hidden=16 --set irv.steps=4 --set iev.steps=4 --set log_every=1 --set smplify.camera=1 \
    --set smplify.body=1 --set smplify.inter_view=1 --set smplify.batch=32
}
check 'CMANet trains' train

export_as() { "$mvgraph" export run --format "$@"; }

valid_glb() {
  command -v node >/dev/null || { echo 'no node'; return 77; }
  export_as glb && export_as glb --frame 3 --view 2 --out one.glb || return 1
  node "$source/tests/export/validate_glb.js" run/run.glb one.glb
}
check "Khronos' validator finds nothing to say about an animated body" valid_glb

# described FILE TEXT...: assimp opens a file, and says these things of it
described() {
  assimp info "$1" >info.log 2>&1 || { cat info.log; return 1; }
  shift
  for text; do
    grep -q "^$text\$" info.log || { cat info.log; return 1; }
  done
}

assimp_opens() {
  command -v assimp >/dev/null || { echo 'no assimp (assimp-utils)'; return 77; }
  export_as bvh --out assimp.bvh && export_as obj --frame 3 --out assimp.obj || return 1
  described run/run.glb 'Vertices: *1190' 'Bones: *24' 'Animations: *1' 'Animation Channels: *24' &&
    described assimp.bvh 'Animations: *1' 'Animation Channels: *24' &&
    described assimp.obj 'Vertices: *1190' 'Faces: *2352'
}
check 'assimp opens mesh, skeleton and animation' assimp_opens

numpy_reads() {
  export_as npz || return 1
  $python -c 'import numpy' 2>/dev/null || { echo 'no NumPy (python3-numpy)'; return 77; }
  $python "$source/tests/export/read_back.py" npz run/run.npz run
}
check 'NumPy reads every prediction' numpy_reads
check 'events read back are the log' $python "$source/tests/export/read_back.py" events run
check 'metrics.csv read back is the log' $python "$source/tests/export/read_back.py" csv run

# Frame by frame the pelvis of the skeleton lies a hand's breadth from the marker of a hip.
same_way() {
  export_as trc --rate 50 && export_as bvh --unit mm --rate 50 && export_as csv --unit mm --rate 50 || return 1
  sed -n '/^Frame Time/,$p' run/run.bvh | tail -n +2 | cut -d' ' -f1-3 >bvh.txt
  column=$(sed -n 4p run/run.trc | tr '\t' '\n' | grep -n '^left_hip$' | cut -d: -f1)
  tail -n +7 run/run.trc | cut -f"$column-$((column + 2))" | tr '\t' ' ' >trc.txt
  [ "$(wc -l <bvh.txt)" = 12 ] && [ "$(wc -l <trc.txt)" = 12 ] && [ "$(wc -l <run/run.csv)" = 13 ] || return 1
  paste -d' ' bvh.txt trc.txt | awk '{ d = sqrt(($1-$4)^2 + ($2-$5)^2 + ($3-$6)^2); if (d < 70 || d > 140) exit 1 }'
}
check 'markers and skeleton go the same way' same_way

all_meshes() { export_as obj && [ "$(ls run/run_obj | wc -l)" = 12 ]; }
check 'a mesh of every frame' all_meshes

kept() {
  export_as csv && return 1
  export_as csv >again.log 2>&1
  grep -q 'run.csv: is there already; --force' again.log && export_as csv --force
}
check 'an export is not written over, unless that is asked for' kept

# On a full disk nothing is half-written.
full_disk() {
  for format in glb bvh trc csv npz; do
    rm -f "run/run.$format"
    MVGRAPH_FAULT_WRITE=1 "$mvgraph" export run --format $format 2>full.log && return 1
    grep -q 'no space left' full.log || return 1
  done
  [ "$(ls run | grep -c 'run\.\|partial')" = 0 ]
}
check 'a full disk leaves no file and says so' full_disk

echo "1..$count"
