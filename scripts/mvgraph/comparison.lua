-- Several experiments in one table: the papers' columns, before and after rigid alignment, as mean and spread (sample
-- standard deviation) over the seeds. As text, and as files for a paper: Markdown, LaTeX and two CSV, one of all runs.
-- The time is that of training all stages, those that runs shared included.
local csv = require "mvgraph.csv"
local evaluation = require "mvgraph.evaluation"
local mv = require "mvgraph"
local text_table = require "mvgraph.table"

local comparison = {}

local COLUMNS <const> = { -- field, name, unit, format; group and name in a paper's table
  { "ap25", "AP@25", "%", "%.1f", "People", "AP\\textsubscript{25} $\\uparrow$" },
  { "ap50", "AP@50", "%", "%.1f", "People", "AP\\textsubscript{50} $\\uparrow$" },
  { "ap100", "AP@100", "%", "%.1f", "People", "AP\\textsubscript{100} $\\uparrow$" },
  { "ap150", "AP@150", "%", "%.1f", "People", "AP\\textsubscript{150} $\\uparrow$" },
  { "recall500", "recall@500", "%", "%.1f", "People", "Recall@500 $\\uparrow$" },
  { "pck150", "PCK@150", "%", "%.1f", "Absolute", "PCK $\\uparrow$" },
  { "auc", "AUC", "%", "%.1f", "Absolute", "AUC $\\uparrow$" },
  { "mpjpe_mm", "MPJPE", "mm", "%.1f", "Absolute", "MPJPE $\\downarrow$" },
  { "pa_pck150", "PA-PCK@150", "%", "%.1f", "Rigid alignment", "PCK $\\uparrow$" },
  { "pa_auc", "PA-AUC", "%", "%.1f", "Rigid alignment", "AUC $\\uparrow$" },
  { "pa_mpjpe_mm", "PA-MPJPE", "mm", "%.1f", "Rigid alignment", "MPJPE $\\downarrow$" },
  { "n_mpjpe_mm", "N-MPJPE", "mm", "%.1f", "Scale alignment", "MPJPE $\\downarrow$" },
  { "n_pck150", "N-PCK@150", "%", "%.1f", "Scale alignment", "PCK $\\uparrow$" },
  { "jdr_detected", "JDR detected", "%", "%.1f", "JDR", "detected $\\uparrow$" },
  { "jdr_refined", "JDR refined", "%", "%.1f", "JDR", "refined $\\uparrow$" },
  { "jdr_hidden_detected", "JDR hidden, detected", "%", "%.1f", "JDR, hidden", "detected $\\uparrow$" },
  { "jdr_hidden_refined", "JDR hidden, refined", "%", "%.1f", "JDR, hidden", "refined $\\uparrow$" },
  { "pss50", "PSS@50", "%", "%.1f", "Structure", "PSS@50 $\\uparrow$" },
  { "pss100", "PSS@100", "%", "%.1f", "Structure", "PSS@100 $\\uparrow$" },
  { "seconds", "time", "s", "%.0f", "Training", "seconds" },
}

---@class Comparison
---@field runs { script: string, name: string, seed: integer, path: string, row: table }[] in the order they were added
local Comparison = {}
Comparison.__index = Comparison

function comparison.new()
  return setmetatable({ runs = {} }, Comparison)
end

---@param script string that made it: runs of one script are seeds of one row
---@param name string of the experiment
---@param seed integer
---@param path string folder of the run
---@param row table metrics of the stage that is compared
function Comparison:add(script, name, seed, path, row)
  self.runs[#self.runs + 1] = { script = script, name = name, seed = seed, path = path, row = row }
end

local function mean_and_spread(values)
  local sum, squares = 0, 0
  for _, value in ipairs(values) do sum = sum + value end
  local mean = sum / #values
  for _, value in ipairs(values) do squares = squares + (value - mean) ^ 2 end
  return mean, #values > 1 and math.sqrt(squares / (#values - 1)) or nil
end

---One row a script, in the order of their first runs.
---@return { name: string, seeds: integer, mean: table<string, number>, spread: table<string, number> }[] a metric that
---  not every seed has is nil, and so is the spread of one seed
function Comparison:rows()
  local rows, by_script = {}, {}
  for _, run in ipairs(self.runs) do
    local row = by_script[run.script]
    if not row then
      row = { name = run.name, seeds = 0, values = {}, mean = {}, spread = {} }
      by_script[run.script], rows[#rows + 1] = row, row
    end
    row.seeds = row.seeds + 1
    for _, column in ipairs(COLUMNS) do
      local values = row.values[column[1]] or {}
      row.values[column[1]] = values
      values[#values + 1] = run.row[column[1]]
    end
  end
  for _, row in ipairs(rows) do
    for key, values in pairs(row.values) do
      if #values == row.seeds then row.mean[key], row.spread[key] = mean_and_spread(values) end
    end
    row.values = nil
  end
  return rows
end

-- Columns that any row has.
local function columns_of(rows)
  local used = {}
  for _, column in ipairs(COLUMNS) do
    for _, row in ipairs(rows) do
      if row.mean[column[1]] then
        used[#used + 1] = column
        break
      end
    end
  end
  return used
end

-- Those, and the cells of all rows in them.
local function cells_of(rows, join)
  local used, lines = columns_of(rows), {}
  for i, row in ipairs(rows) do
    local cells = {}
    for c, column in ipairs(used) do
      local mean, spread = row.mean[column[1]], row.spread[column[1]]
      cells[c] = not mean and "-" or spread and join(column[4]:format(mean), column[4]:format(spread))
        or column[4]:format(mean)
    end
    lines[i] = cells
  end
  return used, lines
end

local function join_plain(mean, spread) return mean .. " +- " .. spread end
local function join_markdown(mean, spread) return mean .. " ± " .. spread end
local function join_latex(mean, spread) return ("$%s \\pm %s$"):format(mean, spread) end

-- What the columns mean, each once.
local function identifiers(runs)
  local rows = {}
  for i, run in ipairs(runs) do rows[i] = run.row end
  return table.concat(evaluation.legend(rows), "\n")
end

-- "mean +- sample standard deviation over 3 seeds"
local function note(rows)
  local least, most = math.huge, 0
  for _, row in ipairs(rows) do least, most = math.min(least, row.seeds), math.max(most, row.seeds) end
  if most < 2 then return "" end
  return ("mean +- sample standard deviation over %s seeds\n"):format(least == most and most or least .. " to " .. most)
end

---@return string a table for a terminal, and what its columns mean
function Comparison:text()
  local rows = self:rows()
  local used, cells = cells_of(rows, join_plain)
  local lines = { { "experiment" } }
  for _, column in ipairs(used) do table.insert(lines[1], column[2] .. " " .. column[3]) end
  for i, row in ipairs(rows) do lines[i + 1] = { row.name, table.unpack(cells[i]) } end
  local legend = (note(rows) .. identifiers(self.runs)):gsub("\n$", "")
  return text_table.format(lines, { indent = "  " }) .. "  " .. legend:gsub("\n", "\n  ") .. "\n"
end

---@return string
function Comparison:markdown()
  local rows = self:rows()
  local used, cells = cells_of(rows, join_markdown)
  local head = { "experiment" }
  for _, column in ipairs(used) do head[#head + 1] = column[2] .. " " .. column[3] end
  local lines = { "| " .. table.concat(head, " | ") .. " |", "|---" .. ("|---:"):rep(#used) .. "|" }
  for i, row in ipairs(rows) do
    lines[#lines + 1] = ("| %s | %s |"):format(row.name, table.concat(cells[i], " | "))
  end
  return ("%s\n\n%s%s\n"):format(table.concat(lines, "\n"), note(rows):gsub("%+%-", "±"), identifiers(self.runs))
end

local function escape_latex(text)
  return (text:gsub("[\\{}&%%$#_~^]", { ["\\"] = "\\textbackslash{}", ["~"] = "\\textasciitilde{}",
    ["^"] = "\\textasciicircum{}", ["{"] = "\\{", ["}"] = "\\}", ["&"] = "\\&", ["%"] = "\\%", ["$"] = "\\$",
    ["#"] = "\\#", ["_"] = "\\_" }))
end

-- The two lines of a head: groups over their columns, then the columns.
local function latex_head(used)
  local groups, names = {}, { "Method" }
  for _, column in ipairs(used) do
    local last = groups[#groups]
    if last and last.title == column[5] then
      last.count = last.count + 1
    else
      groups[#groups + 1] = { title = column[5], count = 1 }
    end
    names[#names + 1] = column[6]
  end
  local over = { "" }
  for _, group in ipairs(groups) do
    over[#over + 1] = ("\\multicolumn{%d}{c}{%s}"):format(group.count, group.title)
  end
  return table.concat(over, " & ") .. " \\\\", table.concat(names, " & ") .. " \\\\"
end

---@return string a tabular of package booktabs, headed as the papers' tables are
function Comparison:latex()
  local rows = self:rows()
  local used, cells = cells_of(rows, join_latex)
  local groups, names = latex_head(used)
  local lines = { "% needs \\usepackage{booktabs}", ("\\begin{tabular}{l%s}"):format(("r"):rep(#used)), "\\toprule",
    groups, names, "\\midrule" }
  for i, row in ipairs(rows) do
    lines[#lines + 1] = ("%s & %s \\\\"):format(escape_latex(row.name), table.concat(cells[i], " & "))
  end
  lines[#lines + 1] = "\\bottomrule"
  lines[#lines + 1] = "\\end{tabular}"
  for line in (note(rows) .. identifiers(self.runs)):gmatch "[^\n]+" do lines[#lines + 1] = "% " .. line end
  return table.concat(lines, "\n") .. "\n"
end

---@return string one line an experiment: mean and spread of every column, empty where there is none
function Comparison:csv()
  local rows, lines = self:rows(), { { "experiment", "seeds" } }
  local used = columns_of(rows)
  for _, column in ipairs(used) do
    table.insert(lines[1], column[1])
    table.insert(lines[1], column[1] .. "_spread")
  end
  for _, row in ipairs(rows) do
    local cells = { row.name, row.seeds, n = 2 + 2 * #used }
    for c, column in ipairs(used) do
      cells[2 * c + 1], cells[2 * c + 2] = row.mean[column[1]], row.spread[column[1]]
    end
    lines[#lines + 1] = cells
  end
  return csv.format(lines)
end

---@return string one line a run
function Comparison:runs_csv()
  local used, lines = columns_of(self:rows()), { { "experiment", "seed", "folder" } }
  for _, column in ipairs(used) do table.insert(lines[1], column[1]) end
  for _, run in ipairs(self.runs) do
    local cells = { run.name, run.seed, run.path, n = 3 + #used }
    for c, column in ipairs(used) do cells[3 + c] = run.row[column[1]] end
    lines[#lines + 1] = cells
  end
  return csv.format(lines)
end

---Writes table.md, table.tex, table.csv and runs.csv.
---@param folder string made where it is not there
function Comparison:write(folder)
  mv.file.make_directory(folder)
  for name, text in pairs { ["table.md"] = self:markdown(), ["table.tex"] = self:latex(), ["table.csv"] = self:csv(),
    ["runs.csv"] = self:runs_csv() } do
    mv.file.write(folder .. "/" .. name, text)
  end
end

return comparison
