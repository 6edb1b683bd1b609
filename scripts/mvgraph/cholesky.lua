-- Cholesky factors on the host, of the sizes that covariances have.

local cholesky = {}

---Lower factor L of a symmetric positive definite matrix L L^T, in place; the upper triangle stays.
---@param a number[][] rows, [n][n]
---@return boolean is_positive_definite false where the matrix is not, which is spoilt then
function cholesky.factor(a)
  for j = 1, #a do
    local row_j = a[j]
    local diagonal = row_j[j]
    for k = 1, j - 1 do
      diagonal = diagonal - row_j[k] * row_j[k]
    end
    if diagonal <= 0 or diagonal ~= diagonal then return false end
    row_j[j] = math.sqrt(diagonal)
    for i = j + 1, #a do
      local row_i = a[i]
      local sum = row_i[j]
      for k = 1, j - 1 do
        sum = sum - row_i[k] * row_j[k]
      end
      row_i[j] = sum / row_j[j]
    end
  end
  return true
end

---Inverse of a lower triangular matrix.
---@param l number[][] [n][n]
---@return number[] flat, row-major, [n * n]
function cholesky.invert_lower(l)
  local n, inverse = #l, {}
  for i = 1, n * n do
    inverse[i] = 0.0
  end
  for column = 1, n do
    inverse[(column - 1) * n + column] = 1 / l[column][column]
    for i = column + 1, n do
      local sum, row = 0.0, l[i]
      for k = column, i - 1 do
        sum = sum + row[k] * inverse[(k - 1) * n + column]
      end
      inverse[(i - 1) * n + column] = -sum / row[i]
    end
  end
  return inverse
end

return cholesky
