--- Links one camera's detections over time into tracks, each one person for as long as the detector sees them.

local tracking = {}

local MAX_GAP <const> = 10 -- frames for which a person may be missing and still be the same track
local MIN_JOINTS <const> = 4
local MIN_CONFIDENCE <const> = 0.1

---@class Track
---@field people table<integer, Person> by frame
---@field first integer
---@field last integer
---@field count integer frames with a detection
---@field size number median extent in pixels

--- Diagonal of the box around a person's joints, pixels; 0 with fewer than two joints.
---@param person Person
---@param min_confidence number?
function tracking.extent(person, min_confidence)
  local threshold = min_confidence or MIN_CONFIDENCE
  local x0, y0, x1, y1
  for j = 1, #person.x do
    if person.c[j] >= threshold then
      local x, y = person.x[j], person.y[j]
      x0, x1 = math.min(x0 or x, x), math.max(x1 or x, x)
      y0, y1 = math.min(y0 or y, y), math.max(y1 or y, y)
    end
  end
  return x0 and math.sqrt((x1 - x0) ^ 2 + (y1 - y0) ^ 2) or 0
end

-- Mean joint distance in units of the larger extent; nil when too few joints are seen in both.
local function distance(a, b)
  local sum, count = 0, 0
  for j = 1, #a.x do
    if a.c[j] >= MIN_CONFIDENCE and b.c[j] >= MIN_CONFIDENCE then
      sum, count = sum + math.sqrt((a.x[j] - b.x[j]) ^ 2 + (a.y[j] - b.y[j]) ^ 2), count + 1
    end
  end
  local size = math.max(tracking.extent(a), tracking.extent(b))
  if count < MIN_JOINTS or size == 0 then
    return nil
  end
  return sum / count / size
end

local function candidate_links(tracks, people, frame)
  local links = {}
  for t, track in ipairs(tracks) do
    local gap = frame - track.last
    if gap <= MAX_GAP then
      for p, person in ipairs(people) do
        local d = distance(track.people[track.last], person)
        if d and d < 0.25 + 0.03 * (gap - 1) then
          links[#links + 1] = { track = t, person = p, cost = d + 0.02 * (gap - 1) }
        end
      end
    end
  end
  table.sort(links, function(a, b)
    if a.cost ~= b.cost then
      return a.cost < b.cost
    end
    return a.track < b.track or (a.track == b.track and a.person < b.person)
  end)
  return links
end

local function append(track, person, frame)
  track.people[frame], track.last, track.count = person, frame, track.count + 1
end

local function median_extent(track)
  local sizes = {}
  for frame = track.first, track.last do
    local person = track.people[frame]
    sizes[#sizes + 1] = person and tracking.extent(person)
  end
  table.sort(sizes)
  return sizes[(#sizes + 1) // 2]
end

--- Tracks of one camera, in the order in which they begin. Links are made frame by frame, the nearest pair first.
---@param frames Person[][] people by frame
---@return Track[]
function tracking.link(frames)
  local tracks = {}
  for frame, people in ipairs(frames) do
    local is_linked, is_taken = {}, {}
    for _, link in ipairs(candidate_links(tracks, people, frame)) do
      if not is_linked[link.track] and not is_taken[link.person] then
        is_linked[link.track], is_taken[link.person] = true, true
        append(tracks[link.track], people[link.person], frame)
      end
    end
    for p, person in ipairs(people) do
      if not is_taken[p] and tracking.extent(person) > 0 then
        local track = { people = {}, first = frame, last = frame, count = 0 }
        append(track, person, frame)
        tracks[#tracks + 1] = track
      end
    end
  end
  for _, track in ipairs(tracks) do
    track.size = median_extent(track)
  end
  return tracks
end

return tracking
