-- Samples by their errors, and the few of them that tell how good a run is.
local ranking = {}

---Zero-based samples from the least to the largest error; samples without one are left out.
---@param errors number[]
---@return integer[]
function ranking.order(errors)
  local order = {}
  for i, value in ipairs(errors) do
    if value == value then order[#order + 1] = i - 1 end
  end
  table.sort(order, function(a, b)
    if errors[a + 1] ~= errors[b + 1] then return errors[a + 1] < errors[b + 1] end
    return a < b
  end)
  return order
end

---The best, median and worst samples, or all where there are few.
---@param errors number[]
---@param each integer samples of a kind
---@return { kind: string, index: integer }[] kind "best", "median", "worst" or "sample"; index zero-based
function ranking.choose(errors, each)
  local order, chosen = ranking.order(errors), {}
  local function take(kind, first, count)
    for i = first, first + count - 1 do chosen[#chosen + 1] = { kind = kind, index = order[i] } end
  end
  if #order <= 3 * each then
    take("sample", 1, #order)
  else
    take("best", 1, each)
    take("median", (#order - each) // 2 + 1, each)
    take("worst", #order - each + 1, each)
  end
  return chosen
end

---Samples evenly over all, from the first to the last.
---@param count integer of all samples
---@param wanted integer
---@return { kind: string, index: integer }[] as ranking.choose
function ranking.spread(count, wanted)
  local chosen, few = {}, math.min(count, wanted)
  for i = 1, few do
    chosen[i] = { kind = "sample", index = few > 1 and (i - 1) * (count - 1) // (few - 1) or 0 }
  end
  return chosen
end

return ranking
