-- The Cross-view Self-fusion module (section 3.3, eq. 2): where a view hides a joint, the other views' detections say
-- on which lines it lies, and the heatmaps of all tell where. No camera is calibrated: lines follow from the rotations
-- that the lifting network predicts. What is found has no gradient.

local mv = require "mvgraph"
local reprojection = require "canonpose.losses"
local ops = mv.ops

local CSM = mv.nn.class("CrossViewSelfFusion", mv.nn.Module)

---@param config { size: integer, extent: number, joint_sigma: number, line_sigma: number, still: boolean,
---  threshold: number, keep: string[] } size: side of a heatmap, pixels; extent: the same in canonical space; sigmas in
---  pixels; still: whether cameras stand still, so that rotations are those of all samples together; threshold: joints
---  of higher confidence stay as they are, and those of `keep`
---@param names string[] joints, [J]
function CSM:__init(config, names)
  self.config, self.scale = config, config.size / config.extent -- pixels of canonical space's unit
  local is_kept, rows = {}, {}
  for _, name in ipairs(config.keep) do is_kept[name] = true end
  for j, name in ipairs(names) do
    if not is_kept[name] then
      local row = {}
      for k = 1, #names do row[k] = k == j and 1 or 0 end
      rows[#rows + 1] = row
    end
  end
  self.choice = mv.array.from(rows, { #rows, #names })
end

---Fundamental matrices between views without perspective: F (x, y, 1) is the line in view m on which lies the
---projection of the ray (x, y, *) of view n, turned by R_(n,m).
---@param relative Tensor R_(n,m) [B, V, V, 3, 3]
---@return Tensor from n to m, [B, V, V, 3, 3]
function CSM.fundamental(relative)
  local b, v = relative.shape[1], relative.shape[2]
  local entries = relative:reshape { b * v * v, 9 }
  local function entry(row, column) return entries:slice(1, 3 * row + column, 1) end
  -- the line through A (x, y) along (u, v), the ray's direction: (-v, u, v A_1 - u A_2) . (x', y', 1) = 0
  local u, w = entry(0, 2), entry(1, 2)
  local zero = u * 0
  return ops.concat({ zero, zero, -w, zero, zero, u, w * entry(0, 0) - u * entry(1, 0),
    w * entry(0, 1) - u * entry(1, 1), zero }, 1):reshape { b, v, v, 3, 3 }
end

---Rotations between cameras that stand still: what all samples of one rig say, of which each is unsure.
---@param relative Tensor R_(n,m) [B, V, V, 3, 3]
---@param rigs Tensor samples of one number were seen by the same cameras, [B]
---@return Tensor [B, V, V, 3, 3]
function CSM.of_rigs(relative, rigs)
  local b, v = relative.shape[1], relative.shape[2]
  local is_same = ops.eq(rigs:reshape { b, 1 }, rigs:reshape { 1, b })
  local sums = ops.matmul(is_same, relative:reshape { b, v * v * 9 })
  return ops.nearest_rotation(sums:reshape { b, v, v, 3, 3 })
end

-- The pixel at the root.
local function middle(size)
  return (size - 1) / 2
end

---E: epipolar lines, in pixels of the heatmap.
---@param poses Tensor of view n, [B, V, 1, J, 2]
---@param relative Tensor R_(n,m) [B, V, V, 3, 3]
---@return Tensor in view m, [B, V, V, J, 3]
function CSM:lines(poses, relative)
  local lines = ops.epipolar_lines(CSM.fundamental(relative), poses)
  local normal, offset = lines:slice(4, 0, 2), lines:slice(4, 2, 1)
  local shift = normal:sum({ 4 }, { keepdim = true }) * middle(self.config.size)
  return ops.concat({ normal, offset * self.scale - shift }, 4)
end

-- 1 where two views differ, [1, V, V, 1].
local function other_views(views)
  local array = mv.array { 1, views, views, 1 }
  array:fill(1)
  for n = 0, views - 1 do array:put(0, 0, n, n, 0) end
  return ops.constant(array)
end

---Joint heatmaps of every view with the line heatmaps of all others.
---@param poses Tensor [B, V, J, 2]
---@param confidences Tensor [B, V, J]
---@param relative Tensor R_(n,m) [B, V, V, 3, 3]
---@return Tensor [B, V, J, S, S]
function CSM:heatmaps(poses, confidences, relative)
  local config, size = self.config, { self.config.size, self.config.size }
  local b, v, j = poses.shape[1], poses.shape[2], poses.shape[3]
  local joints = ops.gaussian_heatmap_2d(poses * self.scale + middle(config.size), size,
    { sigma = config.joint_sigma, peak = confidences })
  local lines = self:lines(poses:reshape { b, v, 1, j, 2 }, relative)
  local peaks = confidences:reshape { b, v, 1, j } * other_views(v)
  return joints + ops.line_heatmap(lines, size, { sigma = config.line_sigma, peak = peaks }):sum { 1 }
end

---The refined poses P_ref = CSM(P_inp, C, R).
---@param poses Tensor P_inp, canonical, [B, V, 2, J]
---@param confidences Tensor C [B, V, J]
---@param rotations Tensor R [B, V, 3, 3]
---@param rigs Tensor samples of one number were seen by the same cameras, [B]
---@return Tensor [B, V, 2, J]
function CSM:forward(poses, confidences, rotations, rigs)
  local b, v, j, size = poses.shape[1], poses.shape[2], poses.shape[4], self.config.size
  local choice, count = ops.constant(self.choice), self.choice.shape[1]
  local function chosen(x) return ops.matmul(choice, x, { transpose_b = true }) end -- [..., D, J] to [..., count, D]
  local relative = reprojection.relative(ops.stop_gradient(rotations))
  if self.config.still then relative = CSM.of_rigs(relative, rigs) end
  local maps = self:heatmaps(chosen(ops.stop_gradient(poses)),
    chosen(confidences:reshape { b, v, 1, j }):reshape { b, v, count }, relative)
  local place = ops.argmax(maps:reshape { b, v, count, size * size }, 3):reshape { b, v, 1, count }
  local row = ops.floor((place + 0.5) / size)
  local found = (ops.concat({ place - row * size, row }, 2) - middle(size)) / self.scale
  local is_unsure = ops.lt(confidences, self.config.threshold) * ops.constant(self.choice):sum { 0 }
  return ops.where(is_unsure:reshape { b, v, 1, j }, ops.matmul(found, choice), poses)
end

return CSM
