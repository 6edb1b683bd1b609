--- Everybody whom a detector saw, as samples want them: in the joints of another skeleton, in whole pictures.

local calibrated_camera = require "datasets.capture.calibration.camera"
local mv = require "mvgraph"

local crowd = {}

local MIN_CONFIDENCE <const> = 0.3
local MIN_JOINTS <const> = 3 -- confident ones of somebody who counts
-- What is the middle of two joints, where a detector does not say it.
local MIDDLES <const> = { thorax = { "left_shoulder", "right_shoulder" }, mid_hip = { "left_hip", "right_hip" },
  pelvis = { "left_hip", "right_hip" } }

--- What each joint of a skeleton is made of.
---@param from Skeleton the detector's
---@param to Skeleton
---@return integer[][] parts one or two one-based joints of `from`, [J]
function crowd.parts(from, to)
  local parts = {}
  for j, name in ipairs(to.joints) do
    parts[j] = {}
    for i, part in ipairs(from.index[name] and { name } or MIDDLES[name] or {}) do
      parts[j][i] = from.index[part] and from.index[part] + 1
    end
    if #parts[j] == 0 then
      error(("capture.skeleton: '%s' has '%s', of which the detector's keypoints (%s) say nothing; take another one")
        :format(to.name, name, from.name), 0)
    end
  end
  return parts
end

-- A person in other joints, nil without enough of them.
local function convert(person, parts)
  local made, seen = { x = {}, y = {}, c = {} }, 0
  local x0, x1, y0, y1 = math.huge, -math.huge, math.huge, -math.huge
  for j, sources in ipairs(parts) do
    local x, y, c = 0, 0, 1
    for _, i in ipairs(sources) do
      x, y, c = x + person.x[i] / #sources, y + person.y[i] / #sources, math.min(c, person.c[i])
    end
    made.x[j], made.y[j], made.c[j] = x, y, c
    if c >= MIN_CONFIDENCE then
      seen, x0, x1, y0, y1 = seen + 1, math.min(x0, x), math.max(x1, x), math.min(y0, y), math.max(y1, y)
    end
  end
  made.extent = math.max(x1 - x0, y1 - y0)
  return seen >= MIN_JOINTS and made.extent > 0 and made or nil
end

--- People with enough joints, the largest first.
---@param people Person[][][] by camera and frame
---@param parts integer[][] of crowd.parts
---@return table[][][] people x, y, c and extent, pixels
---@return integer most of one frame of a camera
function crowd.convert(people, parts)
  local converted, most = {}, 0
  for a, frames in ipairs(people) do
    converted[a] = {}
    for f, list in ipairs(frames) do
      local kept = {}
      for _, person in ipairs(list) do kept[#kept + 1] = convert(person, parts) end
      table.sort(kept, function(p, q) return p.extent > q.extent end)
      converted[a][f], most = kept, math.max(most, #kept)
    end
  end
  return converted, most
end

--- The window that shows all of a picture: centre and side, pixels.
---@param size number[] width, height
---@return number[] [3]
function crowd.window(size)
  return { size[1] / 2, size[2] / 2, math.max(size[1], size[2]) }
end

--- What a camera is to its window: f, ox, oy in halves of its side.
---@param camera CalibratedCamera
---@param window number[]
---@return number[] [3]
function crowd.lens(camera, window)
  local m, half = camera.matrix, window[3] / 2
  return { (m[1] + m[5]) / 2 / half, (window[1] - m[3]) / half, (window[2] - m[6]) / half }
end

--- How far a lens moves what falls on the edges of its pictures.
---@param camera CalibratedCamera
---@param size number[] width, height
---@return number pixels, at most
function crowd.distortion(camera, size)
  local m, most = camera.matrix, 0
  for step = 0, 8 do
    local u, v = size[1] * step / 8, size[2] * step / 8
    for _, at in ipairs { { u, 0 }, { u, size[2] }, { 0, v }, { size[1], v } } do
      local x, y = calibrated_camera.ray(camera, at[1], at[2])
      local moved_x, moved_y = m[1] * x + m[2] * y + m[3] - at[1], m[5] * y + m[6] - at[2]
      most = math.max(most, math.sqrt(moved_x ^ 2 + moved_y ^ 2))
    end
  end
  return most
end

--- Keypoints as a lens without distortion would show them, x, y in the window's [-1, 1] and confidence; zeros where
--- there is nobody or a joint is missing.
---@param people table[][][] of crowd.convert
---@param cameras CalibratedCamera[]
---@param lenses number[][] of crowd.lens
---@param count integer frames
---@param slots integer people P; those beyond are left out
---@param joints integer of a person, K
---@return Array [count, V, P, K, 3]
function crowd.keypoints(people, cameras, lenses, count, slots, joints)
  local keypoints = mv.array { count, #cameras, slots, joints, 3 }
  for a, camera in ipairs(cameras) do
    local f, ox, oy = table.unpack(lenses[a])
    for frame = 1, count do
      for p = 1, math.min(slots, #people[a][frame]) do
        local person = people[a][frame][p]
        local base = (((frame - 1) * #cameras + a - 1) * slots + p - 1) * joints * 3
        for j, c in ipairs(person.c) do
          if c > 0 then
            local x, y = calibrated_camera.ray(camera, person.x[j], person.y[j])
            local at = base + 3 * (j - 1)
            keypoints[at + 1], keypoints[at + 2], keypoints[at + 3] = f * x - ox, f * y - oy, c
          end
        end
      end
    end
  end
  return keypoints
end

return crowd
