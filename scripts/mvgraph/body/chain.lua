-- The kinematic chain of SMPL's tree as an operator, with its composed form as the reference.

local mv = require "mvgraph"
local op = require "mvgraph.ops.define"
local ops = mv.ops
local tree = require "mvgraph.body.tree"

local chain = {}

-- Rows `wanted` (zero-based joints) of a level that begins with the joint `first`, as the fewest slices.
local function take_rows(level, first, wanted)
  local parts, i = {}, 1
  while i <= #wanted do
    local start, count = wanted[i], 1
    local step = wanted[i + 1] == start and 0 or 1
    while wanted[i + count] == start + step * count do
      count = count + 1
    end
    if step == 0 then
      local shape = table.move(level.shape, 1, 4, 1, {})
      shape[2] = count
      parts[#parts + 1] = level:slice(1, start - first, 1):expand(shape)
    else
      parts[#parts + 1] = level:slice(1, start - first, count)
    end
    i = i + count
  end
  return ops.concat(parts, 1)
end

-- One product a level of the tree: [P | p] [[R, o], [0, 1]].
local function compose(rotations, offsets)
  local b = rotations.shape[1]
  local last = ops.constant(mv.array.from({ 0, 0, 0, 1 }, { 1, 1, 1, 4 })):expand { b, 24, 1, 4 }
  local upper = ops.concat({ rotations, offsets:reshape { b, 24, 3, 1 } }, 3)
  local locals = ops.concat({ upper, last }, 2)
  local levels = { upper:slice(1, 0, 1) }
  for l = 2, #tree.LEVELS do
    local first, count = tree.LEVELS[l][1], tree.LEVELS[l][2]
    local parents = {}
    for j = first, first + count - 1 do
      parents[#parents + 1] = tree.PARENTS[j + 1]
    end
    local parent = take_rows(levels[l - 1], tree.LEVELS[l - 1][1], parents)
    local own = locals:slice(1, first, count)
    levels[l] = (parent:reshape { b, count, 3, 4, 1 } * own:reshape { b, count, 1, 4, 4 }):sum { 3 }
  end
  return ops.concat(levels, 1)
end

-- Children first: what a joint passes up is its own gradient by its own [R | o].
local function compose_gradient(dy, rotations, offsets, transforms)
  local b = dy.shape[1]
  local locals = ops.concat({ rotations, offsets:reshape { b, 24, 3, 1 } }, 3)
  local passed, gradients = {}, {}
  for j = 0, 23 do
    passed[j] = dy:select(1, j)
  end
  for j = 23, 1, -1 do
    local parent, own = tree.PARENTS[j + 1], passed[j]
    gradients[j + 1] = ops.matmul(transforms:select(1, parent):slice(2, 0, 3), own, { transpose_a = true })
    local up = { ops.matmul(own, locals:select(1, j), { transpose_b = true }), own:slice(2, 3, 1) }
    passed[parent] = passed[parent] + ops.concat(up, 2)
  end
  gradients[1] = passed[0]
  local all = ops.stack(gradients, 1)
  return all:slice(3, 0, 3), all:select(3, 3)
end

local function bodies(s)
  return s.b
end

chain.kinematic_chain_grad = op.kernel "kinematic_chain_grad" {
  inputs = { "dy [b, 24, 3, 4]", "rotations [b, 24, 3, 3]", "offsets [b, 24, 3]", "transforms [b, 24, 3, 4]" },
  outputs = { "drotations [b, 24, 3, 3]", "doffsets [b, 24, 3]" },
  flops = "24 * 147 * b",
  source = "pose/kinematic_chain_grad.comp",
  dispatch = bodies,
  gradient_of = "kinematic_chain",
  reference = compose_gradient,
  check = {
    shapes = {
      { dy = { 2, 24, 3, 4 }, rotations = { 2, 24, 3, 3 }, offsets = { 2, 24, 3 }, transforms = { 2, 24, 3, 4 } },
    },
    tolerance = 1e-4,
  },
}

---World transforms: G_0 = [R_0 | o_0], G_j = G_parent(j) [R_j | o_j].
---@type fun(rotations: Tensor, offsets: Tensor): Tensor
chain.kinematic_chain = op.kernel "kinematic_chain" {
  inputs = { "rotations [b, 24, 3, 3]", "offsets [b, 24, 3]" },
  outputs = { "transforms [b, 24, 3, 4]" },
  flops = "23 * 63 * b",
  source = "pose/kinematic_chain.comp",
  dispatch = bodies,
  reference = compose,
  vjp = function(dy, rotations, offsets, call)
    return chain.kinematic_chain_grad(dy, rotations, offsets, call.outputs[1])
  end,
  check = {
    shapes = { { rotations = { 3, 24, 3, 3 }, offsets = { 3, 24, 3 } } }, tolerance = 1e-4, second = false,
    strange = false, -- the reference multiplies constants of 0
  },
}

return chain
