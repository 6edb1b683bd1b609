--- Real roots of polynomials in plain Lua. Coefficients are lists from the constant term up.

local polynomial = {}

local STEPS <const> = 100

--- Value and slope at t, by Horner's rule.
---@param c number[]
---@param t number
---@return number value
---@return number slope
function polynomial.evaluate(c, t)
  local value, slope = 0, 0
  for i = #c, 1, -1 do
    slope = slope * t + value
    value = value * t + c[i]
  end
  return value, slope
end

-- The root between points of opposite signs: Newton's steps, halves where those leave the interval.
local function refine(c, low, high)
  local is_rising = polynomial.evaluate(c, low) < 0
  local t = (low + high) / 2
  for _ = 1, STEPS do
    local value, slope = polynomial.evaluate(c, t)
    if value == 0 then return t end
    if (value < 0) == is_rising then low = t else high = t end
    local next_t = t - value / slope
    if not (next_t > low and next_t < high) then next_t = (low + high) / 2 end
    if next_t == t or high - low <= 1e-15 * (math.abs(low) + math.abs(high)) then return next_t end
    t = next_t
  end
  return t
end

local function without_leading_zeros(c)
  local largest, count = 0, #c
  for _, value in ipairs(c) do largest = math.max(largest, math.abs(value)) end
  while count > 0 and math.abs(c[count]) <= 1e-300 + 1e-18 * largest do count = count - 1 end
  return table.move(c, 1, count, 1, {})
end

-- No root lies farther from 0 (Fujiwara's bound).
local function bound(c)
  local n, most = #c - 1, 0
  for i = 1, n do most = math.max(most, math.abs(c[n + 1 - i] / c[n + 1]) ^ (1 / i)) end
  return 2 * most
end

--- Real roots in ascending order; where a polynomial touches zero without crossing it may be left out. Between two
--- neighbours of its slope's roots it has one root at most, which halving brackets.
---@param given number[] coefficients from the constant term up
---@param from number? least root wanted; default: any
---@param to number? largest
---@return number[]
function polynomial.real_roots(given, from, to)
  local c = without_leading_zeros(given)
  if #c < 2 then return {} end
  local reach = bound(c)
  local low, last = math.max(from or -reach, -reach), math.min(to or reach, reach)
  if low > last then return {} end
  local slope, stops, roots = {}, {}, {}
  for i = 2, #c do slope[i - 1] = (i - 1) * c[i] end
  if #c > 2 then stops = polynomial.real_roots(slope, low, last) end
  stops[#stops + 1] = last
  local at_low = polynomial.evaluate(c, low)
  for _, high in ipairs(stops) do
    local at_high = polynomial.evaluate(c, high)
    if at_low == 0 then
      roots[#roots + 1] = low
    elseif at_low * at_high < 0 then
      roots[#roots + 1] = refine(c, low, high)
    end
    low, at_low = high, at_high
  end
  if at_low == 0 then roots[#roots + 1] = low end
  return roots
end

return polynomial
