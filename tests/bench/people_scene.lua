-- A small studio for the cases of networks in space: calibrated views, people in it, and what the views see of them.
-- Two people are in every even sample (from 0) and three in every odd one.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"
local rig = require "datasets.synthetic.rig"
local NOBODY <const> = require("voxelpose.losses").NOBODY

local people_scene = {
  VIEWS = 4,
  PEOPLE = 3,
  ROOT = 1, -- zero-based joint
  SIDE = 24, -- of heatmaps, pixels
  SIGMA = 1, -- pixels
  BOX = { centre = { 0, 1, 0 }, size = { 4, 2, 4 } },
}

local VIEWS <const>, PEOPLE <const>, SIDE <const> = people_scene.VIEWS, people_scene.PEOPLE, people_scene.SIDE
local REACH <const> = 0.4 -- metres from the root to the other joints, along an axis
local OFFSET <const> = { 0.03, -0.02 } -- of the pictures' middles from the principal points, half pictures
local NOISE <const> = 0.05 -- of heatmaps: no two voxels are equally high

local function is_here(sample, person)
  return person < 2 + sample % 2
end

-- Roots stand evenly round the middle; joints are anywhere around them.
local function place_people(batch, joints)
  local people = mv.array { batch, PEOPLE, joints, 4 }
  local jitter = random_arrays.uniform({ batch, PEOPLE, joints, 3 }, -1, 1)
  for b = 0, batch - 1 do
    for p = 0, PEOPLE - 1 do
      local angle = 2 * math.pi * p / PEOPLE + b
      local root = { 1.1 * math.sin(angle), 0.95, 1.1 * math.cos(angle) }
      for k = 0, joints - 1 do
        local reach = k == people_scene.ROOT and 0.1 or REACH
        for d = 0, 2 do
          people:put(is_here(b, p) and root[d + 1] + reach * jitter:at(b, p, k, d) or NOBODY, b, p, k, d)
        end
        people:put(is_here(b, p) and 1 or 0, b, p, k, 3)
      end
    end
  end
  return people
end

---@param batch integer samples B
---@param joints integer K of a person
---@return table of arrays: intrinsics [B, V, 3], extrinsics [B, V, 3, 4], people [B, P, K, 4]
---@return RigCamera[]
function people_scene.make(batch, joints)
  local cameras = rig.dome(mv.generator(5), VIEWS)
  local intrinsics, extrinsics = mv.array { batch, VIEWS, 3 }, mv.array { batch, VIEWS, 3, 4 }
  for row = 0, batch * VIEWS - 1 do
    local camera = cameras[row % VIEWS + 1]
    for i, value in ipairs { 2 * camera.focal / rig.FRAME, OFFSET[1], OFFSET[2] } do intrinsics[3 * row + i] = value end
    for i, value in ipairs(camera.transform) do extrinsics[12 * row + i] = value end
  end
  return { intrinsics = intrinsics, extrinsics = extrinsics, people = place_people(batch, joints) }, cameras
end

---Augmentations of every view's picture: turned by up to 45 degrees, up to a third larger or smaller.
---@param batch integer
---@return Array [B, V, 2, 3]
function people_scene.turns(batch)
  local turns, random = mv.array { batch, VIEWS, 2, 3 }, random_arrays.uniform({ batch * VIEWS, 2 }, -1, 1)
  for row = 0, batch * VIEWS - 1 do
    local angle, scale = math.rad(45) * random[2 * row + 1], 1 + random[2 * row + 2] / 3
    local c, s = math.cos(angle) / scale, math.sin(angle) / scale
    for i, value in ipairs { c, s, 0, -s, c, 0 } do turns[6 * row + i] = value end
  end
  return turns
end

---Where joints are in the (turned) pictures, -1 to 1, and 1 for who is here, 0 for others.
---@param scene table
---@param cameras RigCamera[]
---@param turns Array? [B, V, 2, 3]
---@return Array [B, V, P, K, 3]
function people_scene.places(scene, cameras, turns)
  local batch, joints = scene.people.shape[1], scene.people.shape[3]
  local places = mv.array { batch, VIEWS, PEOPLE, joints, 3 }
  local function put(b, v, p, k)
    local point = {}
    for d = 0, 2 do point[d + 1] = scene.people:at(b, p, k, d) end
    local x, y = rig.project(cameras[v + 1], point)
    x, y = 2 * x / rig.FRAME - 1 - OFFSET[1], 2 * y / rig.FRAME - 1 - OFFSET[2]
    if turns then
      x, y = turns:at(b, v, 0, 0) * x + turns:at(b, v, 0, 1) * y, turns:at(b, v, 1, 0) * x + turns:at(b, v, 1, 1) * y
    end
    for d, value in ipairs { x, y, 1 } do places:put(value, b, v, p, k, d - 1) end
  end
  for b = 0, batch - 1 do
    for p = 0, PEOPLE - 1 do
      for v = 0, is_here(b, p) and VIEWS - 1 or -1 do
        for k = 0, joints - 1 do put(b, v, p, k) end
      end
    end
  end
  return places
end

---Heatmaps of such places, on noise.
---@param places Array [B, V, P, K, 3]
---@return Array [B, V, K, H, W]
function people_scene.heatmaps(places)
  local batch, joints = places.shape[1], places.shape[4]
  local maps = random_arrays.uniform({ batch, VIEWS, joints, SIDE, SIDE }, 0, NOISE)
  local function draw(b, v, p, k)
    local x, y = (places:at(b, v, p, k, 0) + 1) * SIDE / 2 - 0.5, (places:at(b, v, p, k, 1) + 1) * SIDE / 2 - 0.5
    for row = 0, SIDE - 1 do
      for column = 0, SIDE - 1 do
        local value = math.exp(-((column - x) ^ 2 + (row - y) ^ 2) / (2 * people_scene.SIGMA ^ 2))
        maps:put(math.max(maps:at(b, v, k, row, column), 0.9 * value), b, v, k, row, column)
      end
    end
  end
  for index = 0, batch * VIEWS * PEOPLE * joints - 1 do
    local k, p, v = index % joints, index // joints % PEOPLE, index // (joints * PEOPLE) % VIEWS
    local b = index // (joints * PEOPLE * VIEWS)
    if places:at(b, v, p, k, 2) > 0 then draw(b, v, p, k) end
  end
  return maps
end

local PASS <const>, QUIET <const>, HEIGHT <const> = 4, 0.2, 0.15 -- of a V2V's first channel

---Makes a new network let one channel of its volume through, so that the peaks of this are those of what it says.
---@param v2v V2V of one channel out
---@param channel integer zero-based
function people_scene.let_through(v2v, channel)
  local states = v2v:state_dict()
  states["front.0.0.weight"]:put(PASS, 0, channel, 3, 3, 3)
  states["front.1.skip.0.weight"]:put(PASS, 0, 0, 0, 0, 0)
  for _, name in ipairs { "front.1.main.4", "skip1.main.4", "up1.1" } do states[name .. ".weight"]:put(QUIET, 0) end
  states["head.weight"]:put(HEIGHT, 0, 0, 0, 0, 0)
  v2v:load_state_dict(states)
end

return people_scene
