-- Cross-view self-fusion with the weights of its second phase.
return function(batch) return require "tests.bench.cvsf_case"(batch, "second") end
