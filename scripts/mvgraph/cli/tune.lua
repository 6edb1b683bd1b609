-- mvgraph tune: the fastest tile for each matrix product of a script's programs, on the device at hand.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local progress = require "mvgraph.progress"
local program_settings = require("mvgraph.program").settings
local script_programs = require "mvgraph.script_programs"

local verb = {
  summary = "measure how a script's matrix products are best cut on this device, and keep it",
  usage = "FILE.lua",
  options = script_programs.options,
}

local function format_product(found)
  local batch, m, n, k = table.unpack(found.shape)
  return ("%s%d x %d x %d"):format(batch > 1 and batch .. " x " or "", m, n, k)
end

local function print_row(...) print((("%-28s %5s %-18s %10s %-18s %10s"):format(...):gsub(" +$", ""))) end

local function print_table(name, rows)
  local before, after, refused = 0, 0, 0
  print(("\n%s"):format(name))
  print_row("product, M x N x K", "uses", "default", "ms", "kept", "ms")
  for _, found in ipairs(rows) do
    before, after = before + found.uses * found.normal_ns, after + found.uses * found.won_ns
    refused = refused + found.refused
    print_row(format_product(found), found.uses, found.normal, ("%.4f"):format(found.normal_ns * 1e-6),
      found.won == found.normal and "" or found.won,
      found.won == found.normal and "" or ("%.4f"):format(found.won_ns * 1e-6))
  end
  print(("products of a run: %.3f ms, now %.3f ms"):format(before * 1e-6, after * 1e-6))
  if refused > 0 then print(("%d tiles gave other results than the default and were refused"):format(refused)) end
end

local function tune(made, line)
  local rows = {}
  local tuner <close> = made:compile().compiled:tuner()
  line:begin(made.name, tuner:count(), 0, "products")
  for i = 1, tuner:count() do
    rows[i] = tuner:measure(i)
    line:update(i)
  end
  line:close()
  return rows
end

function verb.run(given)
  if #given.files ~= 1 then cli.usage_error("tune needs one script") end
  if core.device().is_null then
    error("the null device computes nothing that could be timed; `mvgraph devices` lists what --device can pick", 0)
  end
  program_settings.is_in_shaders = true
  script_programs.with(given.files[1], given, function(programs)
    local line, count = progress.on_terminal(), 0
    for _, made in ipairs(script_programs.choose(programs, given.program)) do
      local rows = tune(made, line)
      count = count + #rows
      if #rows > 0 then print_table(made.name, rows) end
    end
    print(count > 0 and ("\nkept for %s; programs made from now on take it"):format(core.device().name)
      or "there are no matrix products in shaders to tune")
  end)
  program_settings.is_in_shaders = false
  return 0
end

return verb
