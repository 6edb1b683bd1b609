-- Cross-view self-fusion with the weights of its first phase.
return function(batch) return require "tests.bench.cvsf_case"(batch, "first") end
