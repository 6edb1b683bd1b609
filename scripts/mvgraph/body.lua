-- Articulated bodies in SMPL's layout: template, ten shape directions, pose directions, joint regressor, tree, skinning
-- weights and faces. Metres, y up, facing +z. The project's own one is generated when it is asked for, with texture
-- coordinates; a licensed one is read from its file.

local mv = require "mvgraph"
local file = require "mvgraph.body.file"
local keypoints = require "mvgraph.body.keypoints"
local outside_files = require "mvgraph.outside_files"
local shape = require "mvgraph.body.shape"
local skin = require "mvgraph.body.skin"
local surface = require "mvgraph.body.surface"
local tree = require "mvgraph.body.tree"

local body = { tree = tree, BANDS = surface.BANDS }

---@class Body
---@field vertex_count integer V
---@field face_count integer F
---@field v_template Array [V, 3] metres
---@field shapedirs Array [V, 3, 10] metres for one standard deviation
---@field posedirs Array [V, 3, 207] metres for R - I of joints 1 to 23, row-major
---@field weights Array [V, 24] positive, rows sum to 1
---@field faces Array i32 [F, 3] zero-based, counter-clockwise seen from outside
---@field J_regressor { [1]: integer, [2]: number }[][] sparse rows of zero-based vertex and weight, [24]
---@field joint_names string[] [24]
---@field parents integer[] zero-based, -1 for the root, [24]
---@field texture_coordinates Array? [V, 2], of the generated body
---@field keypoints table<string, BodyKeypoint>

---@return Body
function body.generate()
  local s = surface.build()
  local regressor = skin.joint_regressor(s)
  local rest, by_name = {}, {}
  for j, row in ipairs(regressor) do
    rest[j] = { skin.apply_row(s, row) }
    by_name[tree.JOINTS[j]] = rest[j]
  end
  local count = s.count
  local template, coordinates, weights = mv.array { count, 3 }, mv.array { count, 2 }, mv.array { count, 24 }
  for i, shares in ipairs(skin.weights(s, by_name)) do
    template[3 * i - 2], template[3 * i - 1], template[3 * i] = s.x[i], s.y[i], s.z[i]
    coordinates[2 * i - 1], coordinates[2 * i] = s.u[i], s.v[i]
    for j, share in pairs(shares) do
      weights[(i - 1) * 24 + j] = share
    end
  end
  local posedirs = mv.array { count, 3, 207 }
  for index, value in pairs(shape.pose_directions(s, rest)) do
    posedirs[index + 1] = value
  end
  return {
    vertex_count = count,
    face_count = #s.faces // 3,
    v_template = template,
    shapedirs = mv.array.from(shape.directions(s, by_name), { count, 3, 10 }),
    posedirs = posedirs,
    weights = weights,
    faces = mv.array.from(s.faces, { #s.faces // 3, 3 }, "i32"),
    J_regressor = regressor,
    joint_names = tree.JOINTS,
    parents = tree.PARENTS,
    texture_coordinates = coordinates,
    keypoints = keypoints.define(s),
  }
end

---The body that a configuration names.
---@param path string of a file in SMPL's format; empty: the generated body
---@return Body
function body.open(path)
  return path == "" and body.generate() or file.read(path)
end

---The body that a run's predictions are of; raises where its file is gone or another one.
---@param run RunDirectory
---@param path string? where its file lies now, when it has moved
---@return Body
function body.of_run(run, path)
  local recorded = outside_files.of_run(run).body
  if not recorded and path then
    error(run.path .. ": its bodies are generated ones; leave --body out", 0)
  end
  if not recorded then return body.generate() end
  outside_files.check(run.path, "body", recorded, path or recorded.path)
  return file.read(path or recorded.path)
end

return body
