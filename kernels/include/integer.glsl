// Division and remainder rounded towards minus infinity, for a positive divisor.
int floor_div(int a, int b) { return a >= 0 ? a / b : -1 - (-1 - a) / b; }
int floor_mod(int a, int b) { return a - floor_div(a, b) * b; }
