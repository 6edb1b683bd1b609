-- mvgraph export: a run's predictions in files of other programs.
local Axes = require "mvgraph.export.axes"
local cli = require "mvgraph.cli"
local motion = require "mvgraph.export.motion"
local mv = require "mvgraph"
local nearest = require "mvgraph.core.options"
local run_directory = require "mvgraph.run_directory"

local FORMATS <const> = { "glb", "bvh", "trc", "obj", "csv", "npz" }

local export = {
  summary = "write a run's predictions for other programs: animated mesh, skeleton, markers, meshes, tables",
  usage = "runs/NAME --format " .. table.concat(FORMATS, "|"),
  options = {
    { "format", "FORMAT", "glb: skinned mesh, glTF; bvh: skeleton; trc: OpenSim's markers; obj: mesh; csv; npz" },
    { "out", "PATH", "what is written; default: NAME.FORMAT in the run's folder, of obj the folder NAME_obj" },
    { "force", false, "write over what is there" },
    { "only", "TEXT", "frames whose names begin so, such as test/000_walk" },
    { "frame", "N", "one frame alone, counted from 1", type = "integer" },
    { "view", "N", "the camera that looks on, counted from 1; default: 1", type = "integer" },
    { "up", "AXIS", "y or z; default: y" },
    { "unit", "UNIT", "m, cm or mm; default: m, of bvh cm, of trc mm" },
    { "rate", "N", "frames a second; default: as the data tells, else 30", type = "number" },
    { "body", "FILE", "where the run's body lies now; needed where it is in no folder that scripts may read" },
  },
}

local function choose(what, value, choices)
  return nearest.choose(what, value, choices, function(message) cli.usage_error("%s", message) end)
end

local function choose_format(options)
  local name = options.format or options.out and options.out:match "%.(%w+)$"
  if not name then cli.usage_error("export needs --format, one of %s", table.concat(FORMATS, ", ")) end
  return require("mvgraph.export." .. choose("format", name, FORMATS))
end

-- Some formats lie one way alone.
local function choose_axes(options, format)
  local up = options.up and choose("axis", options.up, Axes.UPS) or format.up
  local unit = options.unit and choose("unit", options.unit, Axes.UNITS) or format.unit
  if format.is_raw and (options.up or options.unit) then
    cli.usage_error("%s holds predictions as they are; leave --up and --unit out", format.extension)
  end
  if format.is_fixed and (up ~= format.up or unit ~= format.unit) then
    cli.usage_error("%s is %s up and in %s by its definition", format.extension, format.up, format.unit)
  end
  return Axes.new(up, unit)
end

local function choose_target(options, format, moved)
  if options.out then return options.out end
  local is_folder = format.is_folder and not moved.is_single
  return ("%s/%s%s%s"):format(options.path, moved.name, is_folder and "_" or ".", format.extension)
end

local function describe(format, axes, moved)
  local frames = moved.is_single and "frame " .. moved.ids[1]
    or ("%d frames at %g a second%s"):format(moved.count, moved.rate, moved.is_rate_known and "" or " (see --rate)")
  if format.is_raw then
    return ("%s, as predicted: m, in %s"):format(frames, moved.people and "the world of the data"
      or "frames of cameras x right, y down, z away")
  end
  local sight = moved.view and ("as camera %d sees them"):format(moved.view + 1) or "in the world of the data"
  local place = moved.view and not moved.has_place and "; the pelvis stays at the origin" or ""
  return ("%s, %s up, %s, %s%s"):format(frames, axes.up, axes.unit, sight, place)
end

function export.run(options)
  if #options.files ~= 1 then cli.usage_error "export needs the folder of one run, such as runs/cmanet" end
  if options.rate and options.rate <= 0 then cli.usage_error "--rate must be above 0" end
  local format = choose_format(options)
  local axes = choose_axes(options, format)
  local run = run_directory.open(options.files[1])
  local moved = motion.read(run, options)
  if moved.people and not format.has_people then
    error(("%s: its frames have several people, whom nobody follows from one to the next, which %s cannot hold; csv "
      .. "and npz can"):format(run.path, format.extension), 0)
  end
  if format.needs_body and not moved.has_body then
    error(("%s: its predictions hold no body (theta, beta and orientations), which %s needs; trc, csv and npz do not")
      :format(run.path, format.extension), 0)
  end
  options.path = run.path
  local target = choose_target(options, format, moved)
  if mv.file.exists(target) and not options.force then
    error(("%s: is there already; --force writes over it, --out names another"):format(target), 0)
  end
  format.write(target, moved, axes)
  print(("%s: %s"):format(target, describe(format, axes, moved)))
  return 0
end

return export
