-- Reports: one page about one run or several side by side, with everything it shows in the one file.
local blob = require "mvgraph.report.blob"
local contents = require "mvgraph.report.contents"
local evaluation = require "mvgraph.evaluation"
local mv = require "mvgraph"
local outside_files = require "mvgraph.outside_files"
local predicted = require "mvgraph.body.predicted"
local ranking = require "mvgraph.ranking"

local report = {}

local EACH <const> = 2 -- samples of a kind: best, median, worst
-- What keeps a page small: samples of a run, and pictures and vertices of all runs.
local MAX_SAMPLES <const>, MAX_PICTURES <const>, MAX_VERTICES <const> = 200, 1000, 900000
-- In the order of the page: what runs at load comes last.
local SCRIPTS <const> = { "page", "table", "chart", "samples", "crops", "raster", "pane", "viewer", "main" }

-- ---- bodies ----

-- The body of each run whose predictions have one; equal ones are opened once.
local function open_bodies(runs, path)
  local opened, is_named = {}, false
  for _, results in ipairs(runs) do
    if results.predictions and predicted.has_body(results.predictions) then
      local recorded = outside_files.of_run(results.run).body
      local key = recorded and recorded.digest or "generated"
      is_named = is_named or recorded ~= nil
      opened[key] = opened[key] or mv.body.of_run(results.run, recorded and path)
      results.body = opened[key]
    end
  end
  if path and not is_named then error("--body: all bodies here are generated ones; leave it out", 0) end
end

-- ---- which samples ----

-- Every k-th sample, so that the page stays small, and those that were chosen.
local function shown_samples(count, most, chosen)
  local is_shown, shown = {}, {}
  for i = 0, count - 1, math.max(math.ceil(count / most), 1) do is_shown[i] = true end
  for _, sample in ipairs(chosen) do is_shown[sample.index] = true end
  for i = 0, count - 1 do
    if is_shown[i] then shown[#shown + 1] = i end
  end
  return shown
end

-- How many samples of each run a page has room for.
local function most_samples(runs)
  local most = MAX_SAMPLES
  for _, results in ipairs(runs) do
    if results.predictions then
      local views = results.drawn.images.shape[2]
      local vertices = results.body and results.body.vertex_count or 1
      most = math.min(most, MAX_PICTURES // (views * #runs), MAX_VERTICES // (vertices * #runs))
    end
  end
  return math.max(most, 1)
end

-- Runs on the same samples show the same ones, so that a slider moves all of them.
local function choose_samples(runs)
  local by_ids = {}
  for _, results in ipairs(runs) do
    if results.predictions then
      local errors = results.predictions.error
      results.chosen = errors and ranking.choose(errors:totable(), EACH) or {}
      results.key = table.concat(results.frame_ids, "\n")
      local all = by_ids[results.key] or {}
      by_ids[results.key] = table.move(results.chosen, 1, #results.chosen, #all + 1, all)
    end
  end
  local most = most_samples(runs)
  for _, results in ipairs(runs) do
    if results.predictions then
      results.shown = shown_samples(results.split.count, most, by_ids[results.key])
    end
  end
end

-- ---- the page ----

-- The last part of each path, or the whole where that would not tell two runs apart.
local function name_runs(runs)
  local count = {}
  for _, results in ipairs(runs) do
    results.name = results.run:name()
    count[results.name] = (count[results.name] or 0) + 1
  end
  for _, results in ipairs(runs) do
    if count[results.name] > 1 then results.name = results.run.path end
  end
end

local function read_part(name)
  return mv.file.read(("%s/mvgraph/report/%s"):format(mv.core.script_dir, name))
end

local function read_scripts()
  local texts = {}
  for i, name in ipairs(SCRIPTS) do texts[i] = read_part(name .. ".js") end
  return table.concat(texts, "\n")
end

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

-- A page's JSON lies in an element of the page, which "</script" would end.
local function encode_json(value)
  return (mv.json.encode(value):gsub("<", "\\u003c"))
end

-- Each different picture once; returns where it is among all.
local function picture_store(data)
  local places, by_at = {}, {}
  return places, function(bytes)
    local place = data:bytes(bytes, "u8", #bytes)
    if not by_at[place.at] then
      places[#places + 1] = place
      by_at[place.at] = #places - 1
    end
    return by_at[place.at]
  end
end

---@param runs RunResults[]
---@param body_path string? where the file of their body lies now
---@return string html
function report.page(runs, body_path)
  local data = blob.new()
  local places, add_picture = picture_store(data)
  local page = { blob = data, pictures = add_picture }
  name_runs(runs)
  open_bodies(runs, body_path)
  choose_samples(runs)
  local names, told = {}, { version = mv.core.version, columns = evaluation.COLUMNS, runs = {} }
  for i, results in ipairs(runs) do
    names[i], told.runs[i] = results.name, contents.describe(results, page)
  end
  told.pictures = mv.json.array(places)
  local parts = {
    title = table.concat(names, ", "):gsub("[&<>]", ESCAPES),
    style = read_part "page.css", script = read_scripts(), data = encode_json(told), blob = data:base64(),
  }
  return (read_part("page.html"):gsub("{{(%l+)}}", parts))
end

---@param path string of the file
---@param runs RunResults[]
---@param body_path string? as of page
function report.write(path, runs, body_path)
  mv.file.write(path, report.page(runs, body_path))
end

return report
