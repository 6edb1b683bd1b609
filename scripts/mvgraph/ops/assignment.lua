-- Optimal assignment on the host: the Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987; Crouse
-- 2016), O(n^2 m).
local op = require "mvgraph.ops.define"

local assignment = {}

local INFINITY <const> = math.huge

---The shortest augmenting path from `row` to a free column; u, v are dual prices.
---@return integer sink column
---@return integer[] from row that reaches each column
---@return table done rows and columns of the tree: { rows = {}, columns = {} }
---@return number length
local function find_path(cost, m, row, u, v, row_of)
  local shortest, from, done = {}, {}, { rows = {}, columns = {} }
  for j = 1, m do shortest[j] = INFINITY end
  local i, length = row, 0
  while true do
    done.rows[#done.rows + 1] = i
    local best, best_column = INFINITY, nil
    for j = 1, m do
      if not done.columns[j] then
        local reduced = length + cost(i, j) - u[i] - v[j]
        if reduced < shortest[j] then shortest[j], from[j] = reduced, i end
        -- of equal columns a free one ends the search
        if shortest[j] < best or (shortest[j] == best and best_column and not row_of[j] and row_of[best_column]) then
          best, best_column = shortest[j], j
        end
      end
    end
    length = best
    done.columns[best_column] = true
    if not row_of[best_column] then return best_column, from, done, length, shortest end
    i = row_of[best_column]
  end
end

---Minimum-cost assignment of n rows to m >= n columns.
---@param n integer
---@param m integer
---@param cost fun(i: integer, j: integer): number finite
---@return integer[] column of each row, from 1
local function solve(n, m, cost)
  local u, v, row_of, column_of = {}, {}, {}, {}
  for i = 1, n do u[i] = 0 end
  for j = 1, m do v[j] = 0 end
  for row = 1, n do
    local sink, from, done, length, shortest = find_path(cost, m, row, u, v, row_of)
    u[row] = u[row] + length
    for _, i in ipairs(done.rows) do
      if i ~= row then u[i] = u[i] + length - shortest[column_of[i]] end
    end
    for j in pairs(done.columns) do v[j] = v[j] - length + shortest[j] end
    local column = sink
    repeat
      local i = from[column]
      row_of[column] = i
      column_of[i], column = column, column_of[i]
    until i == row
  end
  return column_of
end

---Costs of one matrix for `solve`: what is not finite costs more than all finite entries together.
local function read_costs(values, first, n, m)
  local largest = 0
  for k = first + 1, first + n * m do
    local size = math.abs(values[k])
    if size < INFINITY then largest = math.max(largest, size) end
  end
  local total = 2 * (largest + 1) * (math.min(n, m) + 1)
  local costs = {}
  for k = 1, n * m do
    local value = values[first + k]
    costs[k] = (value == value and math.abs(value) < INFINITY) and value or total
  end
  return costs, total
end

---Column of each row with the least total cost, as scipy.optimize.linear_sum_assignment; -1 for rows that are left
---over, and for pairs whose cost is not finite.
---@type fun(cost: Tensor): Tensor cost [B, N, M] -> i32 [B, N]
assignment.linear_sum_assignment = op.host "linear_sum_assignment" {
  inputs = { "cost [b, n, m]" }, outputs = { "y [b, n] i32" },
  run = function(inputs, outputs)
    local b, n, m = table.unpack(inputs[1].shape)
    local values, y = inputs[1]:totable(), outputs[1]
    for batch = 0, b - 1 do
      local costs, forbidden = read_costs(values, batch * n * m, n, m)
      for i = 1, n do y[batch * n + i] = -1 end
      if n <= m then
        local columns = solve(n, m, function(i, j) return costs[(i - 1) * m + j] end)
        for i, j in ipairs(columns) do
          if costs[(i - 1) * m + j] < forbidden then y[batch * n + i] = j - 1 end
        end
      else
        local rows = solve(m, n, function(j, i) return costs[(i - 1) * m + j] end)
        for j, i in ipairs(rows) do
          if costs[(i - 1) * m + j] < forbidden then y[batch * n + i] = j - 1 end
        end
      end
    end
  end,
  examples = {
    { cost = { { { 4, 1, 3 }, { 2, 0, 5 }, { 3, 2, 2 } } }, y = { { 1, 0, 2 } } },
    { cost = { { { 1, 9, 9, 0 }, { 1, 9, 9, 2 } } }, y = { { 3, 0 } } },
    { cost = { { { 1 }, { 0 }, { 2 } } }, y = { { -1, 0, -1 } } },
    { cost = { { { math.huge, 1 }, { math.huge, 2 } } }, y = { { 1, -1 } } },
  },
  check = {
    shapes = {
      { cost = { 2, 5, 5 } }, { cost = { 1, 3, 7 } }, { cost = { 2, 6, 2 } }, { cost = { 3, 1, 1 } },
      { cost = { 1, 11, 13 } },
    },
  },
}

return assignment
