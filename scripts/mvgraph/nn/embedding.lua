-- Embedding: rows of a trained table.
local F = require "mvgraph.F"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local state = require "mvgraph.state"

---@class Embedding: Module
---@field weight State [R, C]
local Embedding = module.class("Embedding")

---@param num_embeddings integer R
---@param embedding_dim integer C
function Embedding:__init(num_embeddings, embedding_dim)
  self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
  self.weight = state.parameter("weight", initializer.normal({ num_embeddings, embedding_dim }, 0, 1))
end

---@param index Tensor i32 [...]
---@return Tensor [..., C]
function Embedding:forward(index)
  return F.embedding(self.weight, index)
end

function Embedding:extra_repr()
  return ("%d, %d"):format(self.num_embeddings, self.embedding_dim)
end

return { Embedding = Embedding }
