--- Finds the cameras of a capture folder: which video or image folder and which detector files belong together.
--- It looks at names only and opens no file.

local mv = require "mvgraph"
local fail = require "datasets.capture.fail"

local layout = {}

local VIDEO <const> = { mp4 = true, mov = true, avi = true, mkv = true, webm = true, m4v = true, mpg = true }
local IMAGE <const> = { png = true, jpg = true, jpeg = true }

local NO_CAMERAS <const> = { runs = true, calibration = true, calib = true } -- folders that may hold pictures

---@class CaptureCamera
---@field name string the stem of its video or image folder
---@field video string? path
---@field images string[]? paths in frame order
---@field source string the video or the image folder, for messages
---@field detections string the JSON file or the folder of JSON files

local function split_name(name)
  local stem, extension = name:match("^(.+)%.([^.]+)$")
  return stem or name, extension and extension:lower() or ""
end

-- Names in a folder but for hidden ones, such as those that systems leave beside files.
local function list_names(folder)
  local shown = {}
  for _, name in ipairs(mv.file.list(folder)) do
    shown[#shown + 1] = name:sub(1, 1) ~= "." and name or nil
  end
  return shown
end

local function list_images(folder)
  local found = {}
  for _, name in ipairs(list_names(folder)) do
    local _, extension = split_name(name)
    if IMAGE[extension] then
      found[#found + 1] = folder .. "/" .. name
    end
  end
  return found
end

local function find_cameras(path)
  local cameras = {}
  for _, folder in ipairs { path, path .. "/videos", path .. "/images" } do
    if mv.file.is_directory(folder) and #cameras == 0 then
      for _, name in ipairs(list_names(folder)) do
        local full = folder .. "/" .. name
        local stem, extension = split_name(name)
        if mv.file.is_directory(full) then
          local images = NO_CAMERAS[name] and {} or list_images(full)
          if #images > 0 then
            cameras[#cameras + 1] = { name = name, images = images, source = full }
          end
        elseif VIDEO[extension] then
          cameras[#cameras + 1] = { name = stem, video = full, source = full }
        end
      end
    end
  end
  table.sort(cameras, function(a, b) return a.name < b.name end)
  return cameras
end

local function has_json(folder)
  for _, name in ipairs(list_names(folder)) do
    if name:lower():match("%.json$") then
      return true
    end
  end
  return false
end

-- The entries of a folder that can hold one camera's detections: name without endings -> path.
local function detection_entries(folder)
  local entries = {}
  for _, name in ipairs(list_names(folder)) do
    local full = folder .. "/" .. name
    local stem, extension = split_name(name)
    if mv.file.is_directory(full) then
      if has_json(full) then
        entries[#entries + 1] = { name = name, path = full }
      end
    elseif extension == "json" then
      entries[#entries + 1] = { name = stem, path = full }
    end
  end
  return entries
end

--- A camera's name without case, signs and leading zeros: "Cam_01" and "cam1" are one camera.
---@param name string
---@return string
function layout.simplify(name)
  name = name:lower():gsub("[^%w]", ""):gsub("json$", ""):gsub("keypoints$", ""):gsub("json$", "")
  local head, digits = name:match("^(.-)(%d+)$")
  return digits and head .. tostring(math.tointeger(tonumber(digits)) or digits) or name
end

-- Whether a name holds another as a word: "results_cam01" and "cam01hrnet" hold "cam01", "cam011" does not; after a
-- letter a word ends where letters do.
local function holds(name, word)
  local begins = word:find "^%w" and "%f[%w]" or ""
  local ends = word:find "%d$" and "%f[^%d]" or word:find "%a$" and "%f[%W]" or ""
  return name:find(begins .. word:gsub("%W", "%%%0") .. ends) ~= nil
end

-- The entry of a camera: the same name, the same name up to case, signs and leading zeros, or the only entry whose
-- name holds the camera's.
local function match_entry(camera, entries)
  for _, entry in ipairs(entries) do
    if entry.name == camera.name then
      return entry
    end
  end
  local wanted = layout.simplify(camera.name)
  for _, entry in ipairs(entries) do
    if layout.simplify(entry.name) == wanted then
      return entry
    end
  end
  local found
  for _, entry in ipairs(entries) do
    if holds(entry.name, camera.name) then
      if found then
        return nil
      end
      found = entry
    end
  end
  return found
end

local function names(list)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = item.name
  end
  return #out > 0 and table.concat(out, ", ") or "none"
end

-- Detector folders in the order in which they are tried: the chosen one, or every folder and then the capture itself.
local function detector_folders(path, chosen)
  if chosen and chosen ~= "" then
    local folder = path .. "/" .. chosen
    if not mv.file.is_directory(folder) then
      fail(folder, nil, "there is no such folder of detections",
        "name a folder of the capture in --set capture.detections=")
    end
    return { folder }
  end
  local folders = {}
  for _, name in ipairs(list_names(path)) do
    local full = path .. "/" .. name
    if mv.file.is_directory(full) then
      folders[#folders + 1] = full
      folders[#folders + 1] = mv.file.is_directory(full .. "/predictions") and full .. "/predictions" or nil -- MMPose
    end
  end
  folders[#folders + 1] = path
  return folders
end

--- Finds the cameras of a capture and pairs each with its detections.
---@param path string the capture's folder
---@param options { detections: string? } the folder of detections to use, "" or nil: the first that fits
---@return CaptureCamera[] cameras in the order of their names
---@return string detector_folder
function layout.find(path, options)
  if not mv.file.is_directory(path) then
    fail(path, nil, "there is no such folder, or it was not named on this command line",
      "name the capture's folder, with --data FOLDER where a verb takes that, to resume too")
  end
  local cameras = find_cameras(path)
  if #cameras == 0 then
    fail(path, nil, "no video and no folder of images is in it",
      "a capture has a video or a folder of images per camera: cam01.mp4, cam02.mp4, ... or cam01/0000.jpg, ...")
  end
  local best, best_folder, best_count
  for _, folder in ipairs(detector_folders(path, options.detections)) do
    local entries, matched, count = detection_entries(folder), {}, 0
    for _, camera in ipairs(cameras) do
      local entry = match_entry(camera, entries)
      matched[camera.name] = entry and entry.path
      count = count + (entry and 1 or 0)
    end
    if not best or count > best_count then
      best, best_folder, best_count = { matched = matched, entries = entries }, folder, count
    end
  end
  for _, camera in ipairs(cameras) do
    camera.detections = best.matched[camera.name]
    if not camera.detections then
      fail(best_count > 0 and best_folder or path, nil,
        ("no detections for camera '%s'; detections found: %s; cameras: %s"):format(camera.name, names(best.entries),
          names(cameras)),
        ("put the detector's JSON in openpose/%s/ or in mmpose/%s.json"):format(camera.name, camera.name))
    end
  end
  return cameras, best_folder
end

return layout
