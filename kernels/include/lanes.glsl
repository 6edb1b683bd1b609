// What the LANES invocations of a row have together: the same value in each of them.
#if LANES > 1
float lanes_sum(float x) { return subgroupAdd(x); }
float lanes_max(float x) { return subgroupMax(x); }
#else
float lanes_sum(float x) { return x; }
float lanes_max(float x) { return x; }
#endif
