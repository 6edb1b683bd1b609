-- Tables of several experiments: means and spreads by hand, and the files they are written to.
local comparison = require "mvgraph.comparison"
local mv = require "mvgraph"
local t = require "spec"

local IDENTIFIER <const> = "MPJPE, PCK@150, AUC[17 joints; root: pelvis; alignment: translation; mm, percent] "
  .. "PA-MPJPE[17 joints; root: none; alignment: similarity; mm]"

local function row(mpjpe, pa, more)
  local made = { mpjpe_mm = mpjpe, pck150 = 80, auc = 40, pa_mpjpe_mm = pa, pa_pck150 = 90, pa_auc = 50, seconds = 60,
    identifier = IDENTIFIER, name = "inter-view", samples = 4 }
  for key, value in pairs(more or {}) do made[key] = value or nil end
  return made
end

-- Two seeds of one script, one of another, which has no calibration: nothing but aligned metrics.
local function example()
  local made = comparison.new()
  made:add("a.lua", "two_stages & all", 0, "runs/a", row(100, 50))
  made:add("a.lua", "two_stages & all", 1, "runs/a-2", row(103, 54))
  local uncalibrated = row(0, 70)
  uncalibrated.mpjpe_mm, uncalibrated.pck150, uncalibrated.auc = nil, nil, nil
  made:add("b.lua", "one, stage", 0, "runs/b", uncalibrated)
  return made
end

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in:\n%s"):format(part, text)) end

t.test("a row is a script: mean and sample standard deviation over its seeds", function()
  local rows = example():rows()
  t.equal(#rows, 2)
  t.equal({ rows[1].name, rows[1].seeds, rows[2].name, rows[2].seeds }, { "two_stages & all", 2, "one, stage", 1 })
  t.near({ rows[1].mean.mpjpe_mm, rows[1].spread.mpjpe_mm }, { 101.5, math.sqrt(4.5) }, 1e-12)
  t.near({ rows[1].mean.pa_mpjpe_mm, rows[1].spread.pa_mpjpe_mm }, { 52, math.sqrt(8) }, 1e-12)
  t.equal({ rows[2].mean.pa_mpjpe_mm, rows[2].spread.pa_mpjpe_mm, rows[2].mean.mpjpe_mm }, { 70 })
end)

t.test("a metric that one seed lacks is not averaged over the others", function()
  local made = comparison.new()
  made:add("a.lua", "a", 0, "runs/a", row(100, 50))
  made:add("a.lua", "a", 1, "runs/a-2", row(nil, 60))
  t.equal(made:rows()[1].mean.mpjpe_mm, nil)
  t.equal(made:rows()[1].mean.pa_mpjpe_mm, 55.0)
end)

t.test("the text has the papers' columns, and says what they mean", function()
  local text = example():text()
  has(text, "experiment          PCK@150 %        AUC %      MPJPE mm  PA-PCK@150 %     PA-AUC %  PA-MPJPE mm   time s")
  has(text, "two_stages & all  80.0 +- 0.0  40.0 +- 0.0  101.5 +- 2.1   90.0 +- 0.0  50.0 +- 0.0  52.0 +- 2.8  60 +- 0")
  has(text, "one, stage                  -            -             -          90.0         50.0         70.0       60")
  has(text, "sample standard deviation over 1 to 2 seeds")
  has(text, "PA-MPJPE[17 joints; root: none; alignment: similarity; mm]")
end)

t.test("several people in a frame have the columns of SelfPose3d's table 1", function()
  local made = comparison.new()
  made:add("a.lua", "a", 0, "runs/a", { ap25 = 1, ap50 = 2, ap100 = 3, ap150 = 4, recall500 = 99, mpjpe_mm = 100,
    seconds = 60, identifier = "AP", name = "people", samples = 4 })
  has(made:markdown(), "| experiment | AP@25 % | AP@50 % | AP@100 % | AP@150 % | recall@500 % | MPJPE mm | time s |")
  has(made:latex(), "\\multicolumn{5}{c}{People}")
  has(made:latex(), "AP\\textsubscript{25}")
end)

t.test("Markdown", function()
  local text = example():markdown()
  has(text, "| experiment | PCK@150 % | AUC % | MPJPE mm | PA-PCK@150 % | PA-AUC % | PA-MPJPE mm | time s |\n|---|")
  has(text, "| two_stages & all | 80.0 ± 0.0 | 40.0 ± 0.0 | 101.5 ± 2.1 | 90.0 ± 0.0 | 50.0 ± 0.0 | 52.0 ± 2.8 | ")
  has(text, "| one, stage | - | - | - | 90.0 | 50.0 | 70.0 | 60 |")
end)

t.test("LaTeX, with what it gives a meaning to escaped", function()
  local text = example():latex()
  has(text, [[\begin{tabular}{lrrrrrrr}]])
  has(text, [[ & \multicolumn{3}{c}{Absolute} & \multicolumn{3}{c}{Rigid alignment} & \multicolumn{1}{c}{Training} \\]])
  has(text, [[two\_stages \& all & $80.0 \pm 0.0$ & $40.0 \pm 0.0$ & $101.5 \pm 2.1$ &]])
  has(text, [[one, stage & - & - & - & 90.0 & 50.0 & 70.0 & 60 \\]])
  for line in text:gmatch "[^\n]+" do
    t.is_true(line:find "^[%%\\]" or line:find "\\\\$", "neither a command, a row nor a comment: " .. line)
  end
end)

t.test("CSV, all digits, one file of means and one of runs", function()
  local made = example()
  local lines = {}
  for line in made:csv():gmatch "[^\n]+" do lines[#lines + 1] = line end
  t.equal(#lines, 3)
  t.equal(lines[1]:sub(1, 57), "experiment,seeds,pck150,pck150_spread,auc,auc_spread,mpjp")
  local spreads = { math.sqrt(4.5), math.sqrt(8) }
  t.equal(lines[2], ("two_stages & all,2,80,0,40,0,101.5,%.17g,90,0,50,0,52,%.17g,60,0"):format(table.unpack(spreads)))
  t.equal(lines[3], '"one, stage",1,,,,,,,90,,50,,70,,60,')
  has(made:runs_csv(), "two_stages & all,1,runs/a-2,80,40,103,90,50,54,60\n")
end)

t.test("the files of a table", function()
  local folder = mv.core.temporary_directory() .. "/table"
  local made = example()
  made:write(folder)
  t.equal(mv.file.list(folder), { "runs.csv", "table.csv", "table.md", "table.tex" })
  t.equal(mv.file.read(folder .. "/table.md"), made:markdown())
end)
