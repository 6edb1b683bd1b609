--- How well two views of the subject agree with epipolar geometry that is fitted to them, under suppositions of what is
--- wrong with one: a shift in time, left and right swapped.

local epipolar = require "mvgraph.epipolar"

local two_views = {}

local MIN_CONFIDENCE <const> = 0.3
local MIN_MATCHES <const> = 24 -- below which nothing is said
local MAX_MATCHES <const> = 250
local OUTLIER <const> = 0.02 -- Sampson distance from which a match is doubtful, in body extents

---@class CheckedSubject
---@field people table<integer, Person>[] per camera, by frame (1-based)
---@field flip integer[] zero-based partner of each joint
---@field count integer frames
---@field size number[] median extent by camera, pixels

---@class Supposition what a view needs to agree with the others
---@field offset integer frames that it is late: its frame f + offset is the others' frame f
---@field is_swapped boolean left and right are exchanged
---@field share number see check/settle.lua

local function append_frame(matches, p, q, flip_p, flip_q, flip)
  for j = 1, #p.x do
    local a, b = flip_p and flip[j] + 1 or j, flip_q and flip[j] + 1 or j
    if p.c[a] >= MIN_CONFIDENCE and q.c[b] >= MIN_CONFIDENCE then
      local n = #matches.xa + 1
      matches.xa[n], matches.ya[n], matches.xb[n], matches.yb[n] = p.x[a], p.y[a], q.x[b], q.y[b]
      matches.w[n] = p.c[a] * q.c[b]
    end
  end
end

--- Joints that two cameras see at one moment.
---@param subject CheckedSubject
---@param a integer camera
---@param b integer
---@param of_a Supposition
---@param of_b Supposition
---@param first integer? frames from here
---@param last integer? to here, all of them; without: thinned out over the whole capture
---@return Matches
function two_views.matches(subject, a, b, of_a, of_b, first, last)
  local shared = {}
  for frame = first or 1, last or subject.count do
    local p, q = subject.people[a][frame + of_a.offset], subject.people[b][frame + of_b.offset]
    if p and q then
      shared[#shared + 1] = { p, q }
    end
  end
  local matches = { xa = {}, ya = {}, xb = {}, yb = {}, w = {} }
  local stride = first and 1 or math.max(1, #shared * #subject.flip // MAX_MATCHES)
  for i = 1, #shared, stride do
    append_frame(matches, shared[i][1], shared[i][2], of_a.is_swapped, of_b.is_swapped, subject.flip)
  end
  return matches
end

--- Fits a fundamental matrix.
---@param subject CheckedSubject
---@param a integer camera
---@param b integer
---@param of_a Supposition
---@param of_b Supposition
---@return number|nil residual mean distance in body extents; nil where too little is seen by both
---@return number[]|nil f
---@return Matches|nil
function two_views.fit(subject, a, b, of_a, of_b)
  local matches = two_views.matches(subject, a, b, of_a, of_b)
  if #matches.xa < MIN_MATCHES then
    return nil
  end
  local size = 0.5 * (subject.size[a] + subject.size[b])
  local f, residual = epipolar.fundamental(matches, OUTLIER * size)
  return residual / size, f, matches
end

--- Mean distance of single frames from a fitted matrix, in body extents; nil where nothing is seen by both.
function two_views.distance(subject, a, b, of_a, of_b, f, frame)
  local matches = two_views.matches(subject, a, b, of_a, of_b, frame, frame)
  local size = 0.5 * (subject.size[a] + subject.size[b])
  return #matches.xa > 0 and epipolar.mean_distance(f, matches, 5 * OUTLIER * size) / size or nil
end

return two_views
