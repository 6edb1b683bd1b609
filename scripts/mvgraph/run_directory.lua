-- The folder of a run: where it lies, what is in it, and which one to resume.
--   config.json  metrics.jsonl  events.out.tfevents.mvgraph  metrics.csv and metrics.json (when finished)
--   predictions.safetensors  checkpoints/  scripts/
local checkpoint = require "mvgraph.checkpoint"
local event_file = require "mvgraph.event_file"
local mv = require "mvgraph"
local run_files = require "mvgraph.run_files"
local run_log = require "mvgraph.run_log"

local run_directory = {}

local LOG <const>, EVENTS <const> = "/metrics.jsonl", "/events.out.tfevents.mvgraph"

---@class RunDirectory
---@field path string
local RunDirectory = {}
RunDirectory.__index = RunDirectory

local function open(path)
  return setmetatable({ path = path, checkpoints = path .. "/checkpoints" }, RunDirectory)
end

-- Whether a run has begun there: another program may be at work on it.
local function is_taken(path)
  return mv.file.exists(path .. "/config.json") or mv.file.exists(path .. "/metrics.json")
    or #checkpoint.list(path .. "/checkpoints") > 0
end

-- runs/NAME, runs/NAME-2, runs/NAME-3 ...
local function numbered(root, name, number)
  return ("%s/%s"):format(root, name) .. (number > 1 and "-" .. number or "")
end

---The first of ROOT/NAME, ROOT/NAME-2 ... that is not there.
---@param root string
---@param name string
---@return string path
function run_directory.unused(root, name)
  local number = 1
  while mv.file.exists(numbered(root, name, number)) do number = number + 1 end
  return numbered(root, name, number)
end

---A folder for a new run. No earlier run is ever overwritten: runs/NAME-2 follows runs/NAME.
---@param root string "runs"
---@param name string the experiment's
---@param out string? the folder itself, instead of a numbered one
---@return RunDirectory
function run_directory.create(root, name, out)
  local path = out
  if out then
    if is_taken(out) then
      error(("%s: holds an earlier run; continue it with --resume, remove it or name another --out"):format(out), 0)
    end
  else
    local number = 1
    repeat
      path = numbered(root, name, number)
      number = number + 1
    until not is_taken(path)
  end
  local run = open(path)
  mv.file.make_directory(run.checkpoints)
  mv.file.write(path .. LOG, "")
  mv.file.write(path .. EVENTS, event_file.head(os.time()))
  return run
end

---The run to resume: the one at `out`, else the newest unfinished one of this experiment.
---@return RunDirectory
function run_directory.find(root, name, out)
  if out then
    if not mv.file.exists(out .. "/config.json") then
      error(("%s: no run to resume here, it has no config.json; see the folders in %s/"):format(out, root), 0)
    end
    if mv.file.exists(out .. "/metrics.json") then
      error(("%s: this run has finished; nothing to resume"):format(out), 0)
    end
    return open(out)
  end
  local newest
  local number = 1
  while mv.file.exists(numbered(root, name, number) .. "/config.json") do
    local path = numbered(root, name, number)
    if not mv.file.exists(path .. "/metrics.json") then newest = path end
    number = number + 1
  end
  if not newest then
    error(("no unfinished run of '%s' in %s/; start one without --resume"):format(name, root), 0)
  end
  return open(newest)
end

---A run that was started before.
---@param path string a slash at its end is left out
---@return RunDirectory
function run_directory.open(path)
  path = path:gsub("(.)/+$", "%1")
  if not mv.file.exists(path .. "/config.json") then
    error(("%s: not the folder of a run, it has no config.json"):format(path), 0)
  end
  return open(path)
end

-- A path as a shell takes it for one word.
local function quote(path)
  return path:find "[^%w%._/:,=@%%+~\x80-\xff-]" and "'" .. path:gsub("'", "'\\''") .. "'" or path
end

---What shows the run's samples; data outside of the folders that scripts may read must be named again.
---@param verb string "show" or "report"
---@param values table its configuration
---@return string command
function RunDirectory:command(verb, values)
  local body = verb == "report" and values.body or ""
  return ("mvgraph %s %s%s%s"):format(verb, quote(self.path), values.path ~= "" and " --data " .. quote(values.path)
    or "", body ~= "" and " --body " .. quote(body) or "")
end

---What the run is called by: the folder's name.
---@return string
function RunDirectory:name()
  local name = self.path:match "[^/]*$"
  return name:find "^%.*$" and "run" or name
end

function RunDirectory:write_json(name, value)
  mv.file.write(self.path .. "/" .. name, mv.json.encode(value, { indent = true }) .. "\n")
end

local function read_json(path)
  return mv.json.decode(mv.file.read(path), path)
end

---@return { experiment: string, preset: string?, config: table }
function RunDirectory:read_config()
  local path = self.path .. "/config.json"
  return run_files.config(read_json(path), path)
end

---@return { baselines: table[], stages: table[] }? of a run that has finished
function RunDirectory:read_metrics()
  local path = self.path .. "/metrics.json"
  return mv.file.exists(path) and run_files.metrics(read_json(path), path) or nil
end

---@class RunPredictions
---@field arrays table<string, Array> of every test sample
---@field frame_ids string[]
---@field joints string[] names of the joints of arrays.joints or arrays.people
---@field stage string? whose predictions these are
---@field root string? joint that MPJPE aligned, where the script named one
---@field metrics string[]? what it was measured by, likewise
---@field rate number? samples a second

---What the last stage that has finished predicts for every test sample.
---@return RunPredictions
function RunDirectory:load_predictions()
  local path = self.path .. "/predictions.safetensors"
  if not mv.file.exists(path) then
    local is_prediction = self:read_config().checkpoint
    error(("%s: there are no predictions yet; %s"):format(path, is_prediction and "predict again"
      or "let the run finish a stage: mvgraph run ... --resume --out " .. quote(self.path)), 0)
  end
  local arrays, metadata = mv.safetensors.load(path)
  local ids, joints, metrics = run_files.predictions(arrays, metadata, path)
  local rate = tonumber(metadata.rate)
  return { arrays = arrays, frame_ids = ids, joints = joints, stage = metadata.stage, root = metadata.root,
    metrics = metrics, rate = rate and rate > 0 and rate < math.huge and rate or nil }
end

---Adds a line to metrics.jsonl, and the same to the events.
---@param record table gets the time, seconds since 1970
function RunDirectory:log(record)
  record.time = os.time()
  mv.file.append(self.path .. LOG, mv.json.encode(record) .. "\n")
  local events = run_log.events(record)
  if events ~= "" then mv.file.append(self.path .. EVENTS, events, false) end -- they can be made again
end

---Records of metrics.jsonl. A last line that was cut by a kill is left out.
---@return table[]
function RunDirectory:read_log()
  local records, number = {}, 0
  local path = self.path .. LOG
  if not mv.file.exists(path) then return records end
  for line in mv.file.read(path):gmatch "([^\n]*)\n" do
    number = number + 1
    local is_whole, record = pcall(mv.json.decode, line, path)
    if is_whole then records[#records + 1] = run_files.record(record, path, number) end
  end
  return records
end

---Forgets what was logged after a checkpoint, so that a resumed run logs each step once. The events are those of the
---records that are left, wherever a kill cut them.
---@param is_kept fun(record: table): boolean
---@return table[] kept
function RunDirectory:trim_log(is_kept)
  local kept, lines, events = {}, {}, { event_file.head(os.time()) }
  for _, record in ipairs(self:read_log()) do
    if is_kept(record) then
      kept[#kept + 1] = record
      lines[#lines + 1] = mv.json.encode(record) .. "\n"
      events[#events + 1] = run_log.events(record)
    end
  end
  mv.file.write(self.path .. LOG, table.concat(lines))
  mv.file.write(self.path .. EVENTS, table.concat(events))
  return kept
end

---Writes what was logged as metrics.csv.
function RunDirectory:write_csv()
  mv.file.write(self.path .. "/metrics.csv", run_log.csv(self:read_log()))
end

---Keeps a copy of each script.
---@param scripts {name: string, text: string}[] names as below scripts/
function RunDirectory:write_scripts(scripts)
  for _, script in ipairs(scripts) do
    local path = self.path .. "/scripts/" .. script.name
    mv.file.make_directory(path:match "^(.*)/")
    mv.file.write(path, script.text)
  end
end

return run_directory
