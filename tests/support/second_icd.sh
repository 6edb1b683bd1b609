#!/bin/sh
# Device, program, operators and PyTorch's numbers on a second implementation of Vulkan. Speaks TAP.
# usage: second_icd.sh MVGRAPH FOLDER_OF_TESTS
# Takes the driver whose JSON MVGRAPH_SECOND_ICD names, else the first that has a device beside those of the driver that
# is used anyway: SwiftShader as Debian's chromium ships it, or whatever is in the usual folders.
set -u
mvgraph=$1
tests=$2

# driver_of [JSON]: "llvmpipe Mesa 22.3.6" of the first device; nothing when there is none
driver_of() {
  if [ $# = 1 ]; then
    VK_DRIVER_FILES=$1 VK_ICD_FILENAMES=$1 "$mvgraph" devices 2>/dev/null
  else
    "$mvgraph" devices 2>/dev/null
  fi | grep -v '^null ' | sed -n '1s/.*  (\(.*[^ ]\) *)$/\1/p'
}

find_icd() {
  if [ -n "${MVGRAPH_SECOND_ICD:-}" ]; then
    echo "$MVGRAPH_SECOND_ICD"
    return
  fi
  usual=$(driver_of)
  for json in /usr/lib/chromium/vk_swiftshader_icd.json /etc/vulkan/icd.d/*.json /usr/share/vulkan/icd.d/*.json; do
    [ -f "$json" ] || continue
    driver=$(driver_of "$json")
    [ -z "$driver" ] || [ "$driver" = "$usual" ] || { echo "$json"; return; }
  done
}

icd=$(find_icd)
if [ -z "$icd" ]; then
  echo '1..0 # SKIP no second Vulkan driver (chromium has one; MVGRAPH_SECOND_ICD=FILE.json names another)'
  exit 0
fi
driver=$(driver_of "$icd")
if [ -z "$driver" ]; then
  echo '1..1'
  echo "not ok 1 - $icd has a device"
  exit 1
fi
export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd"
count=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run NAME COMMAND...: one line for all the cases of a program, and what failed in it
run() {
  name=$1
  shift
  count=$((count + 1))
  "$@" >"$log" 2>&1
  code=$?
  passed=$(grep -c '^ok ' "$log")
  if [ "$code" = 0 ] && [ "$passed" -gt 0 ]; then
    echo "ok $count - $driver: $passed cases of $name"
  else
    echo "not ok $count - $driver: $name"
    grep -A 4 '^not ok ' "$log" | sed 's/^/# /'
    tail -n 3 "$log" | sed 's/^/# /'
  fi
}

for name in device program guard; do
  [ ! -x "$tests/test_$name" ] || run "$name" "$tests/test_$name"
done
for name in ops golden nn program; do
  run "${name}_spec" "$mvgraph" test "tests/spec/${name}_spec.lua"
done
echo "1..$count"
