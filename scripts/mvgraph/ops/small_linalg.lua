-- Decompositions of many small matrices: eigenvalues of symmetric ones, singular values. Vectors are columns; the
-- largest element of each is positive, so that signs repeat. The kernels run a fixed number of Jacobi sweeps.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local batches = require "mvgraph.ops.batches"
local constant = require "mvgraph.ops.constant"
local view = require "mvgraph.ops.view"

local small_linalg = {}
local methods = tensor.methods

local LARGEST <const> = 9 -- columns that a kernel's registers take
local CLOSE <const> = 1e-6 -- relative gap below which eigenvalues count as one; bounds gradients where they meet
local TINY <const> = 1e-30

local function sweeps_of(n)
  return n <= 4 and 8 or 12
end

local function check_size(s)
  if s.n > LARGEST or s.n < 1 then
    trace.fail("matrices of %d columns are not small: 1 to %d are taken", s.n, LARGEST)
  end
  s.sweeps = sweeps_of(s.n)
end

local function constants(s)
  return { B = s.b, M = s.m or s.n, N = s.n, SWEEPS = s.sweeps }
end

-- ---- composed form: matrices as tables of [b] tensors ----

local function split(a)
  local entries = {}
  for i = 0, a.shape[2] - 1 do
    entries[i + 1] = {}
    for j = 0, a.shape[3] - 1 do entries[i + 1][j + 1] = view.select(view.select(a, 1, i), 1, j) end
  end
  return entries
end

local function join(entries)
  local rows = {}
  for i, row in ipairs(entries) do rows[i] = view.stack(row, 1) end
  return view.stack(rows, 1)
end

local function turn(x, y, c, s)
  return c * x - s * y, s * x + c * y
end

-- One Jacobi rotation of the symmetric m in the plane p, q; v takes it too.
local function rotate(m, v, p, q)
  local n = #m
  local gap = m[q][q] - m[p][p]
  local reach = methods.safe_sqrt(methods.square(gap) + 4 * methods.square(m[p][q]))
  local divisor = methods.where(methods.lt(gap, 0), gap - reach, gap + reach)
  local is_diagonal = methods.eq(divisor, 0)
  local t = methods.where(is_diagonal, 0, 2 * m[p][q] / methods.where(is_diagonal, 1, divisor))
  local c = methods.rsqrt(1 + methods.square(t))
  local s = t * c
  for i = 1, n do
    m[i][p], m[i][q] = turn(m[i][p], m[i][q], c, s)
    v[i][p], v[i][q] = turn(v[i][p], v[i][q], c, s)
  end
  for i = 1, n do m[p][i], m[q][i] = turn(m[p][i], m[q][i], c, s) end
end

local function exchange(values, v, i, j, is_descending)
  local is_wrong = is_descending and methods.lt(values[i], values[j]) or methods.gt(values[i], values[j])
  local function swap(row)
    row[i], row[j] = methods.where(is_wrong, row[j], row[i]), methods.where(is_wrong, row[i], row[j])
  end
  swap(values)
  for _, row in ipairs(v) do swap(row) end
end

---Eigenvalues and vectors of symmetric matrices [b, n, n], from maps alone.
local function compose_eigh(a, is_descending)
  local n = a.shape[2]
  local m, v, values = split((a + view.transpose(a, 1, 2)) * 0.5), {}, {}
  local like = view.select(view.select(a, 1, 0), 1, 0)
  for i = 1, n do
    v[i] = {}
    for j = 1, n do v[i][j] = constant.full(like.shape, i == j and 1 or 0) end
  end
  for _ = 1, n > 1 and 6 or 0 do
    for p = 1, n - 1 do
      for q = p + 1, n do rotate(m, v, p, q) end
    end
  end
  for i = 1, n do values[i] = m[i][i] end
  for last = n - 1, 1, -1 do
    for i = 1, last do exchange(values, v, i, i + 1, is_descending) end
  end
  local vectors = join(v)
  local high = methods.max(vectors, 1, { keepdim = true })
  local low = methods.min(vectors, 1, { keepdim = true })
  return view.stack(values, 1), vectors * methods.where(methods.lt(high, -low), -1, 1)
end

-- ---- gradients ----

local function transposed(x)
  return view.transpose(x, 1, 2)
end

---1 on the diagonal, [n, n].
local function eye(n)
  local i = constant.arange(n)
  return methods.eq(methods.reshape(i, { n, 1 }), methods.reshape(i, { 1, n }))
end

---gap / (gap^2 + (CLOSE scale)^2): the reciprocal, bounded where the gap closes.
local function safe_reciprocal(gap, scale)
  return gap / (methods.square(gap) + methods.square(scale * CLOSE) + TINY)
end

---Gradient of a symmetric matrix from those of its eigenvectors, before it is turned back: F o (V^T dV).
local function rotate_gradient(values, vectors, dvectors)
  local b, n = values.shape[1], values.shape[2]
  local own, other = methods.reshape(values, { b, n, 1 }), methods.reshape(values, { b, 1, n })
  local scale, is_same = methods.abs(own) + methods.abs(other), eye(n)
  local factors = methods.where(is_same, 0, safe_reciprocal(methods.where(is_same, 1, other - own), scale))
  return factors * methods.matmul(vectors, dvectors, { transpose_a = true })
end

---Diagonal matrices [b, n, n] of rows [b, n].
local function diagonal(x)
  local b, n = x.shape[1], x.shape[2]
  return eye(n) * methods.reshape(x, { b, 1, n })
end

local eigh = op.kernel "eigh_matrices" {
  inputs = { "a [b, n, n]" }, outputs = { "values [b, n]", "vectors [b, n, n]" },
  flops = "b * sweeps * n * (n - 1) / 2 * (18 * n + 30)",
  source = "linalg/eigh.comp",
  dispatch = function(s) return s.b end,
  validate = check_size, constants = constants,
  reference = function(a) return compose_eigh(a, false) end,
  vjp = function(_, _, call)
    local values, vectors = call.outputs[1], call.outputs[2]
    local inner = call.dys[1] and diagonal(call.dys[1])
    if call.dys[2] then
      local turned = rotate_gradient(values, vectors, call.dys[2])
      inner = inner and inner + turned or turned
    end
    local da = methods.matmul(methods.matmul(vectors, inner), vectors, { transpose_b = true })
    return (da + transposed(da)) * 0.5
  end,
  examples = {
    { a = { { { 2, 1 }, { 1, 2 } }, { { 5, 0 }, { 0, -1 } } }, values = { { 1, 3 }, { -1, 5 } } },
    { a = { { { 7 } } }, values = { { 7 } } },
  },
  check = {
    tolerance = 2e-4, -- vectors are off by rounding over the least gap of eigenvalues
    shapes = {
      { a = { 3, 3, 3 } }, { a = { 2, 4, 4 } }, { a = { 2, 2, 2 } }, { a = { 3, 1, 1 } }, { a = { 7, 2, 2 } },
    },
  },
}

local svd_right = op.kernel "svd_right" {
  inputs = { "a [b, m, n]" }, outputs = { "s [b, n]", "v [b, n, n]" },
  flops = "b * (m * n * (3 * n + 15) + sweeps * n * (n - 1) / 2 * (18 * n + 30))",
  source = "linalg/svd_right.comp",
  dispatch = function(s) return s.b end,
  validate = check_size, constants = constants,
  reference = function(a)
    local squares, v = compose_eigh(methods.matmul(a, a, { transpose_a = true }), true)
    return methods.safe_sqrt(squares), v
  end,
  vjp = function(_, a, call)
    local s, v = call.outputs[1], call.outputs[2]
    local scaled = methods.matmul(a, v) -- U S
    local inner
    if call.dys[1] then
      inner = diagonal(methods.where(methods.gt(s, 0), call.dys[1] / methods.maximum(s, TINY), 0))
    end
    if call.dys[2] then
      local turned = rotate_gradient(methods.square(s), v, call.dys[2])
      turned = turned + transposed(turned)
      inner = inner and inner + turned or turned
    end
    return methods.matmul(methods.matmul(scaled, inner), v, { transpose_b = true })
  end,
  examples = {
    { a = { { { 0, 3 }, { 4, 0 } } }, s = { { 4, 3 } } },
    { a = { { { 1, 2 }, { 2, 4 }, { 2, 4 } } }, s = { { math.sqrt(45), 0 } } },
  },
  check = {
    tolerance = 2e-4, -- as for eigh
    shapes = {
      { a = { 3, 3, 3 } }, { a = { 2, 7, 4 } }, { a = { 1, 5, 2 } }, { a = { 3, 2, 1 } }, { a = { 1, 13, 3 } },
      { a = { 1, 4, 4 } }, { a = { 5, 3, 2 } },
    },
  },
}

---Eigenvalues in ascending order and eigenvectors of symmetric matrices, as torch.linalg.eigh; n up to 9.
---@param a Tensor [..., n, n]
---@return Tensor values [..., n]
---@return Tensor vectors columns, [..., n, n]
function small_linalg.eigh(a)
  local flat, leading = batches.matrices(a, "eigh")
  local values, vectors = eigh(flat)
  return batches.restore(values, leading), batches.restore(vectors, leading)
end

---Singular values in descending order and right singular vectors; n up to 9, m any number. Without U, since that is
---what a null space or a fit needs.
---@param a Tensor [..., m, n]
---@return Tensor s [..., n]
---@return Tensor v columns, [..., n, n]
function small_linalg.svd_right(a)
  local flat, leading = batches.matrices(a, "svd_right")
  local s, v = svd_right(flat)
  return batches.restore(s, leading), batches.restore(v, leading)
end

---a = U diag(s) V^T with m >= n, as torch.linalg.svd without full matrices but for V, which is not transposed. Columns
---of U that belong to a singular value of 0 are 0.
---@param a Tensor [..., m, n]
---@return Tensor u [..., m, n]
---@return Tensor s [..., n], descending
---@return Tensor v [..., n, n]
function small_linalg.svd(a)
  local flat, leading = batches.matrices(a, "svd")
  local s, v = svd_right(flat)
  local divisor = methods.unsqueeze(s, 1)
  local has_value = methods.gt(divisor, 0)
  local u = methods.where(has_value, methods.matmul(flat, v) / methods.where(has_value, divisor, 1), 0)
  return batches.restore(u, leading), batches.restore(s, leading), batches.restore(v, leading)
end

return small_linalg
