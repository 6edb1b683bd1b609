-- SMPL's kinematic tree: 24 joints, their names and parents, and the levels in which a chain is walked.

local tree = {}

tree.JOINTS = {
  "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
  "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
  "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
}

-- Zero-based parent of each joint; -1 for the root.
tree.PARENTS = { -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21 }

-- Joints of equal depth are neighbours: { first, count } of each level, zero-based.
tree.LEVELS = { { 0, 1 }, { 1, 3 }, { 4, 3 }, { 7, 3 }, { 10, 5 }, { 15, 3 }, { 18, 2 }, { 20, 2 }, { 22, 2 } }

-- One-based index by name.
tree.INDEX = {}
for i, name in ipairs(tree.JOINTS) do
  tree.INDEX[name] = i
end

return tree
