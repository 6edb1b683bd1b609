--- Small dense linear algebra on the host in plain Lua: eigenvectors, solves and 3x3 matrices.
--- Matrices are flat row-major lists, 1-based. Nothing here knows cameras or devices.

local linear = {}

local sqrt, abs = math.sqrt, math.abs

--- Eigenvalues in ascending order and eigenvectors of a symmetric matrix, by cyclic Jacobi.
---@param matrix number[] symmetric, [n, n]
---@param n integer
---@return number[] values ascending, [n]
---@return number[][] vectors unit vectors in the order of the values, n lists of [n]
function linear.eigen_symmetric(matrix, n)
  local a, v = {}, {}
  for i = 1, n * n do
    a[i], v[i] = matrix[i], 0
  end
  for i = 1, n do
    v[(i - 1) * n + i] = 1
  end
  for _ = 1, 60 do
    local off, total = 0, 0
    for i = 1, n do
      for j = 1, n do
        local square = a[(i - 1) * n + j] ^ 2
        total = total + square
        if i ~= j then
          off = off + square
        end
      end
    end
    if off <= 1e-30 * total then
      break
    end
    for p = 1, n - 1 do
      for q = p + 1, n do
        local apq = a[(p - 1) * n + q]
        if apq ~= 0 then
          local theta = (a[(q - 1) * n + q] - a[(p - 1) * n + p]) / (2 * apq)
          local t = 1 / (abs(theta) + sqrt(theta * theta + 1))
          if theta < 0 then
            t = -t
          end
          local c = 1 / sqrt(t * t + 1)
          local s = t * c
          for k = 1, n do
            local kp, kq = (k - 1) * n + p, (k - 1) * n + q
            local x, y = a[kp], a[kq]
            a[kp], a[kq] = c * x - s * y, s * x + c * y
            x, y = v[kp], v[kq]
            v[kp], v[kq] = c * x - s * y, s * x + c * y
          end
          for k = 1, n do
            local pk, qk = (p - 1) * n + k, (q - 1) * n + k
            local x, y = a[pk], a[qk]
            a[pk], a[qk] = c * x - s * y, s * x + c * y
          end
        end
      end
    end
  end
  local order = {}
  for i = 1, n do
    order[i] = i
  end
  table.sort(order, function(i, j)
    local di, dj = a[(i - 1) * n + i], a[(j - 1) * n + j]
    if di ~= dj then
      return di < dj
    end
    return i < j
  end)
  local values, vectors = {}, {}
  for rank, column in ipairs(order) do
    values[rank] = a[(column - 1) * n + column]
    local vector = {}
    for k = 1, n do
      vector[k] = v[(k - 1) * n + column]
    end
    vectors[rank] = vector
  end
  return values, vectors
end

--- Solves A x = b for a symmetric positive definite A by Cholesky.
---@param matrix number[] [n, n]
---@param right number[] [n]
---@param n integer
---@return number[]|nil x nil when the matrix is not positive definite
function linear.solve_positive(matrix, right, n)
  local l = {}
  for i = 1, n do
    for j = 1, i do
      local sum = matrix[(i - 1) * n + j]
      for k = 1, j - 1 do
        sum = sum - l[(i - 1) * n + k] * l[(j - 1) * n + k]
      end
      if i == j then
        if sum <= 0 or sum ~= sum then
          return nil
        end
        l[(i - 1) * n + i] = sqrt(sum)
      else
        l[(i - 1) * n + j] = sum / l[(j - 1) * n + j]
      end
    end
  end
  local x = {}
  for i = 1, n do
    local sum = right[i]
    for k = 1, i - 1 do
      sum = sum - l[(i - 1) * n + k] * x[k]
    end
    x[i] = sum / l[(i - 1) * n + i]
  end
  for i = n, 1, -1 do
    local sum = x[i]
    for k = i + 1, n do
      sum = sum - l[(k - 1) * n + i] * x[k]
    end
    x[i] = sum / l[(i - 1) * n + i]
  end
  return x
end

--- Product of two 3x3 matrices.
function linear.multiply3(a, b)
  local c = {}
  for i = 0, 2 do
    for j = 1, 3 do
      c[3 * i + j] = a[3 * i + 1] * b[j] + a[3 * i + 2] * b[3 + j] + a[3 * i + 3] * b[6 + j]
    end
  end
  return c
end

--- Transpose of a 3x3 matrix.
function linear.transpose3(a)
  return { a[1], a[4], a[7], a[2], a[5], a[8], a[3], a[6], a[9] }
end

--- Determinant of a 3x3 matrix.
function linear.determinant3(a)
  return a[1] * (a[5] * a[9] - a[6] * a[8]) - a[2] * (a[4] * a[9] - a[6] * a[7])
    + a[3] * (a[4] * a[8] - a[5] * a[7])
end

--- 3x3 matrix times a vector given as three numbers; returns three numbers.
function linear.apply3(a, x, y, z)
  return a[1] * x + a[2] * y + a[3] * z, a[4] * x + a[5] * y + a[6] * z, a[7] * x + a[8] * y + a[9] * z
end

--- Inverse of a symmetric 3x3 matrix given by its upper triangle.
---@return number|nil a11 and a12, a13, a22, a23, a33; nil when singular
function linear.invert_symmetric3(a, b, c, d, e, f)
  local c11, c12, c13 = d * f - e * e, c * e - b * f, b * e - c * d
  local determinant = a * c11 + b * c12 + c * c13
  if abs(determinant) < 1e-300 then
    return nil
  end
  local k = 1 / determinant
  return c11 * k, c12 * k, c13 * k, (a * f - c * c) * k, (b * c - a * e) * k, (a * d - b * b) * k
end

--- Singular value decomposition A = U diag(s) V^T of a 3x3 matrix, s descending.
--- U and V are orthogonal; their determinants may be -1.
---@return number[] u
---@return number[] s
---@return number[] v
function linear.svd3(a)
  local _, vectors = linear.eigen_symmetric(linear.multiply3(linear.transpose3(a), a), 3)
  local v = { vectors[3], vectors[2], vectors[1] }
  local u, s = {}, {}
  for i = 1, 3 do
    local x, y, z = linear.apply3(a, v[i][1], v[i][2], v[i][3])
    s[i] = sqrt(x * x + y * y + z * z)
    u[i] = { x, y, z }
  end
  local floor = 1e-7 * s[1]
  for i = 1, 3 do
    if s[i] > floor then
      for k = 1, 3 do
        u[i][k] = u[i][k] / s[i]
      end
    elseif i == 3 then
      local p, q = u[1], u[2]
      u[3] = { p[2] * q[3] - p[3] * q[2], p[3] * q[1] - p[1] * q[3], p[1] * q[2] - p[2] * q[1] }
    else
      local p = i == 1 and { 1, 0, 0 } or u[1]
      local axis = abs(p[1]) < 0.6 and { 1, 0, 0 } or { 0, 1, 0 }
      local q = i == 1 and p or {
        p[2] * axis[3] - p[3] * axis[2], p[3] * axis[1] - p[1] * axis[3], p[1] * axis[2] - p[2] * axis[1],
      }
      local length = sqrt(q[1] ^ 2 + q[2] ^ 2 + q[3] ^ 2)
      u[i] = { q[1] / length, q[2] / length, q[3] / length }
    end
  end
  local function columns(c)
    return { c[1][1], c[2][1], c[3][1], c[1][2], c[2][2], c[3][2], c[1][3], c[2][3], c[3][3] }
  end
  return columns(u), s, columns(v)
end

--- The rotation nearest to a 3x3 matrix in the Frobenius norm.
function linear.nearest_rotation(a)
  local u, _, v = linear.svd3(a)
  if linear.determinant3(u) * linear.determinant3(v) < 0 then
    u[3], u[6], u[9] = -u[3], -u[6], -u[9]
  end
  return linear.multiply3(u, linear.transpose3(v))
end

--- Rotation matrix of an axis-angle vector.
function linear.rotation_from_vector(x, y, z)
  local angle = math.sqrt(x * x + y * y + z * z)
  local a, b = 1 - angle * angle / 6, 0.5 - angle * angle / 24
  if angle > 1e-4 then
    a, b = math.sin(angle) / angle, (1 - math.cos(angle)) / (angle * angle)
  end
  return {
    1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y,
    b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x,
    b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y),
  }
end

return linear
