-- The people of a sequence: several subjects who move at the same time, each somewhere in the middle of a studio and
-- none too near to another.

local mv = require "mvgraph"
local motion = require "datasets.synthetic.motion"

local crowd = {}

crowd.REACH = 1.5 -- metres from the middle of the studio to a root, at most
crowd.APART = 0.7 -- metres over the floor between two roots, at least
crowd.MOST = 8 -- people who find room with that

local TRIES <const> = 100 -- of a person to find a place, and of all from the start

---@class CrowdMember
---@field subject Subject
---@field poses table[] a frame: { rotations, x, z, lift } as scene.settle takes them

---Numbers in any order.
---@param random generator
---@param count integer
---@return integer[] order of 1 to count
function crowd.order(random, count)
  local order = {}
  for i = 1, count do order[i] = i end
  random:shuffle(order)
  return order
end

-- Somebody who begins in the middle of the studio, facing anywhere; `roots` tell where that is on the floor.
local function draw_member(random, subject, kinds, times)
  local drawn = motion.draw(random, kinds[random:integer(1, #kinds)])
  local turn = mv.geometry.rotation_y(random:uniform(0, 2 * math.pi))
  local member = { subject = subject, poses = {}, roots = {} }
  for frame, time in ipairs(times) do
    local rotations, x, z, lift = motion.at(drawn, time)
    rotations[1] = mv.geometry.multiply(turn, rotations[1])
    local place = { mv.geometry.apply(turn, x, 0, z) }
    local _, positions = subject.shaped:chain(rotations, place)
    member.poses[frame] = { rotations, place[1], place[3], lift }
    member.roots[frame] = subject.shaped:points(nil, positions, { "mid_hip" })[1]
  end
  return member
end

local function is_free(member, spot, others)
  for frame, root in ipairs(member.roots) do
    local x, z = root[1] + spot[1], root[3] + spot[2]
    if x * x + z * z > crowd.REACH ^ 2 then return false end
    for _, other in ipairs(others) do
      local dx, dz = x - other.roots[frame][1], z - other.roots[frame][3]
      if dx * dx + dz * dz < crowd.APART ^ 2 then return false end
    end
  end
  return true
end

local function draw_spot(random)
  local angle, radius = random:uniform(0, 2 * math.pi), crowd.REACH * math.sqrt(random:uniform(0, 1))
  return { radius * math.sin(angle), radius * math.cos(angle) }
end

-- The same member somewhere else; nil where there is no room.
local function settle_down(random, member, others)
  for _ = 1, TRIES do
    local spot = draw_spot(random)
    if is_free(member, spot, others) then
      local moved = { subject = member.subject, poses = {}, roots = {} }
      for frame, pose in ipairs(member.poses) do
        local root = member.roots[frame]
        moved.poses[frame] = { pose[1], pose[2] + spot[1], pose[3] + spot[2], pose[4] }
        moved.roots[frame] = { root[1] + spot[1], root[2], root[3] + spot[2] }
      end
      return moved
    end
  end
end

local function find_room(random, members)
  for _ = 1, TRIES do
    local placed = {}
    for i, member in ipairs(members) do
      placed[i] = settle_down(random, member, placed)
      if not placed[i] then break end
    end
    if #placed == #members then return placed end
  end
  error(("%d people who move for %d frames find no room; ask for fewer people, or fewer frames in a sequence"):format(
    #members, #members[1].poses), 0)
end

---@param random generator
---@param subjects Subject[] everybody is another of them
---@param kinds string[] of motion
---@param times number[] of frames, seconds
---@return CrowdMember[]
function crowd.draw(random, subjects, kinds, times)
  local members = {}
  for i, subject in ipairs(subjects) do
    members[i] = draw_member(random:fork(i), subject, kinds, times)
  end
  return find_room(random:fork "places", members)
end

return crowd
