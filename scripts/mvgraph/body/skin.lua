-- Which joint moves which vertex of the generated body: joints as means of vertex rings, and smooth skinning weights.

local tree = require "mvgraph.body.tree"

local skin = {}

-- Joint -> parts { tube, ring, weight }: the joint is the weighted sum of the rings' means. "side" is filled in.
local JOINT_RINGS <const> = {
  pelvis = { { "trunk", 3, 0.6 }, { "trunk", 4, 0.4 } },
  spine1 = { { "trunk", 5, 1 } },
  spine2 = { { "trunk", 7, 1 } },
  spine3 = { { "trunk", 8, 1 } },
  neck = { { "trunk", 12, 0.7 }, { "trunk", 13, 0.3 } },
  head = { { "trunk", 14, 0.3 }, { "trunk", 16, 0.7, skip = 1 } },
  hip = { { "leg", 2, 1 } },
  knee = { { "leg", 7, 1 } },
  ankle = { { "leg", 13, 1 } },
  foot = { { "foot", 5, 1 } },
  collar = { { "trunk", 10, 0.55 }, { "arm", 2, 0.45 } },
  shoulder = { { "arm", 2, 1 } },
  elbow = { { "arm", 7, 1 } },
  wrist = { { "arm", 12, 1 } },
  hand = { { "arm", 14, 1 } },
}

---Sparse rows: joint j is the sum of weight * vertex. Exact for every linear change of the surface.
---@param s BodySurface
---@return { [1]: integer, [2]: number }[][] rows zero-based vertex and weight, [24]
function skin.joint_regressor(s)
  local rows = {}
  for j, name in ipairs(tree.JOINTS) do
    local side, own = name:match("^(%a+)_(%a+)$")
    local row = {}
    for _, part in ipairs(JOINT_RINGS[own or name]) do
      local ring = s.rings[(side and part[1] ~= "trunk") and side .. "_" .. part[1] or part[1]][part[2]]
      local skipped = part.skip and 2 or 0 -- the nose and the vertex behind it
      for k, vertex in ipairs(ring) do
        local opposite = #ring // 2 + 1
        if not part.skip or (k ~= part.skip and k ~= opposite) then
          row[#row + 1] = { vertex, part[3] / (#ring - skipped) }
        end
      end
    end
    rows[j] = row
  end
  return rows
end

---@param s BodySurface
---@param row { [1]: integer, [2]: number }[]
---@return number x
---@return number y
---@return number z
function skin.apply_row(s, row)
  local x, y, z = 0, 0, 0
  for _, entry in ipairs(row) do
    local i, w = entry[1] + 1, entry[2]
    x, y, z = x + w * s.x[i], y + w * s.y[i], z + w * s.z[i]
  end
  return x, y, z
end

local function smoothstep(low, high, t)
  t = (t - low) / (high - low)
  t = t < 0 and 0 or (t > 1 and 1 or t)
  return t * t * (3 - 2 * t)
end

-- Shares of a chain's joints at `t`: joint k takes over from k - 1 within `breaks[k]` +- `widths[k]`.
local function chain(weights, names, breaks, widths, t, scale)
  local left = scale
  for k = #names, 1, -1 do
    local share = k == 1 and 1 or smoothstep(breaks[k] - widths[k], breaks[k] + widths[k], t)
    local j = tree.INDEX[names[k]]
    weights[j] = (weights[j] or 0) + left * share
    left = left * (1 - share)
  end
end

local SPINE <const> = { "pelvis", "spine1", "spine2", "spine3", "neck", "head" }
local SPINE_WIDTHS <const> = { 0, 0.05, 0.05, 0.04, 0.03, 0.03 }
local LEG_WIDTHS <const> = { 0, 0.07, 0.055, 0.035 }
local ARM_WIDTHS <const> = { 0, 0.045, 0.045, 0.03, 0.025 }

local function trunk_weights(s, joints, i)
  local weights, y, x = {}, s.y[i], s.x[i]
  local side = x >= 0 and "left" or "right"
  local breaks = {}
  for k, name in ipairs(SPINE) do
    breaks[k] = joints[name][2] - (name == "head" and 0.02 or 0)
  end
  local lateral = math.abs(x)
  local hip = 0.75 * smoothstep(0.01, 0.10, lateral) * (1 - smoothstep(-0.10, 0.0, y))
  local shoulder_y = joints.left_shoulder[2]
  local upper = smoothstep(shoulder_y - 0.16, shoulder_y - 0.02, y)
    * (1 - smoothstep(shoulder_y + 0.02, shoulder_y + 0.06, y))
  local collar = 0.7 * upper * smoothstep(0.04, 0.13, lateral)
  local shoulder = 0.3 * upper * smoothstep(0.11, 0.17, lateral)
  chain(weights, SPINE, breaks, SPINE_WIDTHS, y, 1 - hip - collar - shoulder)
  for name, share in pairs { hip = hip, collar = collar, shoulder = shoulder } do
    local j = tree.INDEX[side .. "_" .. name]
    weights[j] = (weights[j] or 0) + share
  end
  return weights
end

local function leg_weights(s, joints, i, side)
  local weights = {}
  local names = { "pelvis", side .. "_hip", side .. "_knee", side .. "_ankle" }
  local breaks = { 0, -(joints[names[2]][2] + 0.01), -joints[names[3]][2], -joints[names[4]][2] }
  chain(weights, names, breaks, LEG_WIDTHS, -s.y[i], 1)
  return weights
end

local function foot_weights(s, joints, i, side)
  local weights = {}
  local names, breaks = { side .. "_ankle", side .. "_foot" }, { 0, joints[side .. "_foot"][3] - 0.01 }
  chain(weights, names, breaks, { 0, 0.03 }, s.z[i], 1)
  return weights
end

local function arm_weights(s, joints, i, side)
  local weights = {}
  local names = { side .. "_collar", side .. "_shoulder", side .. "_elbow", side .. "_wrist", side .. "_hand" }
  local breaks = {}
  for k, name in ipairs(names) do
    breaks[k] = math.abs(joints[name][1]) - (k == 2 and 0.02 or 0)
  end
  chain(weights, names, breaks, ARM_WIDTHS, math.abs(s.x[i]), 1)
  return weights
end

---@param s BodySurface
---@param joints table<string, number[]> rest joints by name
---@return table<integer, number>[] weights by one-based joint, positive, sum 1, [V]
function skin.weights(s, joints)
  local parts = { leg = leg_weights, foot = foot_weights, arm = arm_weights }
  local out = {}
  for i = 1, s.count do
    local side, part = s.tube[i]:match("^(%a+)_(%a+)$")
    local weights = part and parts[part](s, joints, i, side) or trunk_weights(s, joints, i)
    local total = 0
    for j = 1, #tree.JOINTS do
      total = total + (weights[j] or 0)
    end
    for j, w in pairs(weights) do
      weights[j] = w > 1e-6 and w / total or nil
    end
    out[i] = weights
  end
  return out
end

return skin
