--- Finds which few cameras must be supposed to differ from the others for all pairs to agree.

--- Changes one camera at a time, the one that helps most first, for as long as that brings its pairs below a share of
--- what they cost.
---@generic Choice: { share: number }
---@param count integer cameras
---@param choices Choice[] the first is what every camera starts with; each is believed below its `share`
---@param cost fun(a: integer, b: integer, of_a: Choice, of_b: Choice): number|nil of a pair, a < b; nil: unknown
---@return Choice[] settled by camera
return function(count, choices, cost)
  local settled, known = {}, {} -- positions in `choices`; costs by pair and positions
  for c = 1, count do
    settled[c] = 1
  end
  local function pair_cost(a, b, i, j)
    local key = ((a * count + b) * #choices + i) * #choices + j
    known[key] = known[key] or cost(a, b, choices[i], choices[j]) or 0
    return known[key]
  end
  local function cost_of(c, choice)
    local sum = 0
    for other = 1, count do
      if other < c then
        sum = sum + pair_cost(other, c, settled[other], choice)
      elseif other > c then
        sum = sum + pair_cost(c, other, choice, settled[other])
      end
    end
    return sum
  end
  for _ = 1, count do
    local best, camera, gain
    for c = count, 1, -1 do -- of two that would help alike, the later one differs
      local now = cost_of(c, settled[c])
      for choice = 1, #choices do
        local after = cost_of(c, choice)
        if after < choices[choice].share * now and (not gain or now - after > gain + 1e-12) then
          best, camera, gain = choice, c, now - after
        end
      end
    end
    if not camera then
      break
    end
    settled[camera] = best
  end
  for c = 1, count do
    settled[c] = choices[settled[c]]
  end
  return settled
end
