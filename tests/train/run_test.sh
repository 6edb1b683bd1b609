#!/bin/sh
# Runs as a person starts them: killed, interrupted, on a full disk, with mistakes. Speaks TAP.
# usage: run_test.sh MVGRAPH SOURCE_ROOT
set -u
mvgraph=$1
source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
toy=$source/tests/train/toy.lua
count=0

# check NAME COMMAND...: one test; what the command printed is shown when it fails
check() {
  name=$1
  shift
  count=$((count + 1))
  if "$@" >check.log 2>&1; then
    echo "ok $count - $name"
  else
    echo "not ok $count - $name"
    sed 's/^/# /' check.log
    [ -f out.log ] && sed 's/^/# out: /' out.log
  fi
}

train() { "$mvgraph" run "$toy" --device null "$@" >out.log 2>&1; }

# fails CODE TEXT COMMAND...: the exit code, and a message that holds the text
fails() {
  code=$1
  text=$2
  shift 2
  "$@" >out.log 2>&1
  got=$?
  [ "$got" = "$code" ] || { echo "exit code $got, expected $code"; return 1; }
  grep -q -- "$text" out.log || { echo "no '$text' in the message"; return 1; }
}

same_checkpoints() { diff -r "$1/checkpoints" "$2/checkpoints"; }

# Steps that take some milliseconds, 70 of them; the log gets a line for every fifth.
slow=--set=work=2000000

straight() { train "$slow" --out straight; }
check 'a run finishes' straight

told() {
  train --out told || return 1
  [ "$(grep -c '^first 100%.*  loss [0-9]' out.log)" = 1 ] && [ "$(grep -c '^second 100%.*  loss [0-9]' out.log)" = 1 ]
}
check 'a run of short epochs tells the final losses of every stage once' told

lines_of() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

killed() {
  "$mvgraph" run "$toy" --device null "$slow" --out "killed-$1" >out.log 2>&1 &
  pid=$!
  while [ ! -d "killed-$1" ] || [ "$(lines_of "killed-$1/metrics.jsonl")" -lt "$1" ]; do
    kill -0 "$pid" || return 1
    sleep 0.005
  done
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  [ ! -f "killed-$1/metrics.json" ] || { echo 'it had finished already'; return 1; }
  if [ -f "killed-$1/config.json" ]; then
    train --resume --out "killed-$1" || return 1
  else
    train "$slow" --out "killed-$1" || return 1
  fi
  same_checkpoints straight "killed-$1"
}
for lines in 0 2 5 9 12 14; do
  check "killed after $lines log lines and resumed, the checkpoints are the same bytes" killed "$lines"
done

interrupted() {
  rm -f out.log # of the run before, which has trained
  "$mvgraph" run "$toy" --device null "$slow" --out stopped >out.log 2>&1 &
  pid=$!
  while ! grep -q training out.log; do
    kill -0 "$pid" || return 1
    sleep 0.02
  done
  sleep 0.05
  kill -INT "$pid"
  wait "$pid"
  code=$?
  [ "$code" = 130 ] || { echo "exit code $code"; return 1; }
  grep -q 'continue with: mvgraph run .*toy.lua --resume --out stopped' out.log || return 1
  train --resume --out stopped && same_checkpoints straight stopped
}
check 'an interrupted run saves, says how to go on, exits with 130 and resumes to the same bytes' interrupted

# Nothing is trained yet that would have to be saved.
interrupted_early() {
  XDG_CACHE_HOME=$PWD/empty-cache "$mvgraph" run "$source/tests/report/crowd.lua" --device null \
    --set data.train_count=20000 --out early >out.log 2>&1 &
  pid=$!
  sleep 1
  kill -INT "$pid"
  wait "$pid"
  code=$?
  [ "$code" = 130 ] || { echo "exit code $code"; return 1; }
  grep -q '^mvgraph: interrupted: dataset people, train$' out.log && [ ! -e early ]
}
check 'interrupted while its dataset is made, a run ends at once and leaves nothing' interrupted_early

# Every write fails once, as on a full disk: the message names the file, and what was there before is whole.
full_disk() {
  for n in 1 2 4 6 8 9 12; do
    rm -rf full
    MVGRAPH_FAULT_WRITE=$n "$mvgraph" run "$toy" --device null --out full >out.log 2>&1
    [ $? = 1 ] || { echo "write $n: no failure"; return 1; }
    grep -q 'full/.*no space left.*free some space' out.log || { echo "write $n: message"; return 1; }
    find full -name '*.partial*' | grep . && return 1
    if [ -f full/config.json ]; then
      train --resume --out full || { echo "write $n: resume"; return 1; }
    else
      train --out full || return 1
    fi
    same_checkpoints quick full || return 1
  done
}
train --out quick
check 'a full disk at any write is one message, and the run resumes from what was whole' full_disk

check 'an unknown --set key names the nearest' \
  fails 1 "unknown configuration key 'epoch'; did you mean 'epochs'" "$mvgraph" run "$toy" --device null --set epoch=3
printf 'local mv = require "mvgraph"\nlocal M = mv.experiment "x"\nM.config = { a = \nreturn M\n' >broken.lua
check 'a syntax error names file and line' fails 1 'broken.lua:4:' "$mvgraph" run broken.lua --device null
cat >shape.lua <<'END'
local mv = require "mvgraph"
local M = mv.experiment "shape"
M.dataset = "toy"
M.config = { samples = 4 }
function M.build()
  mv.program("bad", { x = { shape = { 2, 3 } } }, function(given)
    return { y = mv.ops.matmul(given.x, given.x) }
  end):compile()
end
M.stages = { { name = "one", setup = function() end } }
return M
END
mkdir -p datasets && cp "$source/tests/train/datasets/toy.lua" datasets/
check 'a shape error names the operator, the shapes and the line' fails 1 'matmul.*' \
  "$mvgraph" run shape.lua --device null
check 'and it names the line of the script' grep -q 'shape.lua:7' out.log
printf 'return 3\n' >empty.lua
check 'a script that returns no experiment is told how it ends' fails 1 'empty.lua: a model script ends with' \
  "$mvgraph" run empty.lua --device null
check 'a missing script is named' fails 1 'nothing.lua: no such script' "$mvgraph" run nothing.lua --device null
check 'run without a script is a usage mistake' fails 2 'needs a model script' "$mvgraph" run
check 'a preset that is not there names the nearest' fails 1 "did you mean 'tiny'" "$mvgraph" run "$toy" --preset tinny \
  --device null
check 'a failed start leaves no run behind' test ! -e runs

two_runs() {
  train && train && [ -f runs/toy/metrics.json ] && [ -f runs/toy-2/metrics.json ]
}
check 'a second run takes a second folder' two_runs
check 'the run keeps its script, its dataset and its configuration' test -f runs/toy/scripts/toy.lua -a \
  -f runs/toy/scripts/datasets/toy.lua -a -f runs/toy/config.json
shown() { "$mvgraph" show runs/toy >out.log 2>&1 && head -c 4 runs/toy/sheet.png | grep -q PNG; }
check 'show draws a finished run' shown
check 'a run writes its report' grep -q '<title>toy: mvgraph report</title>' runs/toy/report.html
blocked() {
  mkdir -p blocked/report.html
  train --out blocked && grep -q 'warning: no report: .*blocked/report.html' out.log \
    && grep -q 'try again with: mvgraph report blocked' out.log && [ -f blocked/metrics.json ]
}
check 'a report that cannot be written does not fail the run' blocked
compared_page() { "$mvgraph" report runs/toy runs/toy-2 >out.log 2>&1 && [ -f runs/toy/comparison.html ]; }
check 'report sets runs side by side' compared_page
check 'show of a folder that is no run says so' fails 1 'datasets: not the folder of a run' "$mvgraph" show datasets
mkdir unborn && cp runs/toy/config.json unborn/
check 'show of a run without predictions says how to get them' fails 1 'no predictions yet' "$mvgraph" show unborn
compared() {
  cp "$toy" again.lua
  sed -i 's/experiment "toy"/experiment "again"/; s/momentum = 0.9/momentum = 0/' again.lua
  "$mvgraph" run "$toy" again.lua --device null --table >out.log 2>&1 || return 1
  tail -n 9 out.log | grep -q '^  toy ' && tail -n 9 out.log | grep -q '^  again ' && [ -f runs/table/table.tex ]
}
check 'several scripts print one table' compared

# What the forecast says before anything is allocated is what it says with everything allocated.
planned() {
  sed '1,/^return \[\[/d; /^\]\]$/d' "$source/tests/support/small_experiment.lua" >small.lua
  "$mvgraph" plan small.lua >rehearsed.log 2>&1 || return 1
  grep -q ' on null' rehearsed.log && return 0 # no Vulkan device
  grep -q 'planned without allocating' rehearsed.log || return 1
  "$mvgraph" plan small.lua --measure >measured.log 2>&1 || return 1
  grep -q '^allocated on the device' measured.log || return 1
  sed -n '2,/^largest states/p' rehearsed.log >a.log && sed -n '2,/^largest states/p' measured.log >b.log
  [ "$(wc -l <a.log)" -gt 10 ] && diff a.log b.log
}
check 'a plan made without allocating is the plan that the device gets' planned

# pa_of METRICS.json: PA-MPJPE of the last stage
pa_of() { grep -o '"pa_mpjpe_mm": *[0-9.e-]*' "$1" | tail -n 1 | sed 's/.*: *//'; }

# has_row NAME: the table's row of two runs, "NAME ... mean +- spread" of PA-MPJPE, worked out from what they wrote
has_row() {
  expected=$(awk -v a="$(pa_of "runs/$1/metrics.json")" -v b="$(pa_of "runs/$1-2/metrics.json")" 'BEGIN {
    if (a == "" || b == "" || a == b) exit 1
    gap = a > b ? a - b : b - a
    printf "%.1f +- %.1f", (a + b) / 2, gap / sqrt(2)
  }') || { echo "no two results of $1"; return 1; }
  [ "$(grep -c "^  $1 .* +- " ../out.log)" = 1 ] || { echo "not one row of $1"; return 1; }
  grep "^  $1 .* +- " ../out.log | grep -q -- " $expected " || { echo "no '$1 $expected'"; return 1; }
  grep -q "^| $1 | .* ± " runs/table/table.md && grep -q "^$1 & .* .pm " runs/table/table.tex &&
    grep -q "^$1,2," runs/table/table.csv && [ "$(grep -c "^$1,[01],runs/$1" runs/table/runs.csv)" = 2 ] ||
    { echo "no $1 in the files"; return 1; }
  grep -q '"seed": *0' "runs/$1/config.json" && grep -q '"seed": *1' "runs/$1-2/config.json"
}

seeds() (
  mkdir two_seeds && cp -r again.lua datasets two_seeds && cd two_seeds || exit 1
  "$mvgraph" run "$toy" again.lua --seeds 2 --table --set epochs=1 --device null >../out.log 2>&1 || exit 1
  [ "$(grep -c '^results: ' ../out.log)" = 4 ] && has_row toy && has_row again
)
check 'two scripts with two seeds each give one table of means and spreads, printed and as files' seeds

# Several runs in one folder: killed in between, the rest follows, and what is there stays as it is.
several() {
  "$mvgraph" run "$toy" again.lua --seeds 2 --set epochs=1 --device null --out several >out.log 2>&1 || return 1
  for run in toy-seed0 toy-seed1 again-seed0 again-seed1; do
    [ -f "several/$run/metrics.json" ] || { echo "no $run"; return 1; }
  done
  cp several/table.csv table-before.csv
  rm -r several/again-seed1 several/table.csv
  rm several/toy-seed1/metrics.json
  touch -d '2001-01-01' several/toy-seed0/metrics.json
  "$mvgraph" run "$toy" again.lua --seeds 2 --resume --set epochs=1 --device null --out several >out.log 2>&1 || return 1
  [ "$(find several/toy-seed0/metrics.json -newermt 2002-01-01)" = '' ] || { echo 'a finished run was run again'; return 1; }
  cut -d, -f1-14 several/table.csv >a.csv && cut -d, -f1-14 table-before.csv >b.csv && diff a.csv b.csv
}
check 'several runs in one folder go on where they were left' several
check 'they need the folder to go on' fails 2 'in the folder that they were given with --out' \
  "$mvgraph" run "$toy" again.lua --resume --device null
check 'other settings than those of a finished run are refused' fails 1 'was started with epochs = 1, not 2' \
  "$mvgraph" run "$toy" again.lua --seeds 2 --resume --set epochs=2 --device null --out several

echo "1..$count"
