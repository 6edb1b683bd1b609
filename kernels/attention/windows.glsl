// Where attention inside windows of token maps finds its numbers: what places.glsl says of other layouts. Maps
// [IMAGES, MAP_HEIGHT, MAP_WIDTH] are rolled up and to the left by SHIFT_Y and SHIFT_X and cut into G windows, image by
// image. Tokens over the edge are absent: their query, key and value are the pad's, which follows qkv's elements here.
const uint WINDOW_ROWS = (MAP_HEIGHT + WINDOW_HEIGHT - 1u) / WINDOW_HEIGHT;
const uint WINDOW_COLUMNS = (MAP_WIDTH + WINDOW_WIDTH - 1u) / WINDOW_WIDTH;
const uint ABSENT = IMAGES * MAP_HEIGHT * MAP_WIDTH;

uint token_at(uint g, uint i) {
  uint image = g / (WINDOW_ROWS * WINDOW_COLUMNS), window = g % (WINDOW_ROWS * WINDOW_COLUMNS);
  uint y = window / WINDOW_COLUMNS * WINDOW_HEIGHT + i / WINDOW_WIDTH + SHIFT_Y;
  uint x = window % WINDOW_COLUMNS * WINDOW_WIDTH + i % WINDOW_WIDTH + SHIFT_X;
  y %= WINDOW_ROWS * WINDOW_HEIGHT;
  x %= WINDOW_COLUMNS * WINDOW_WIDTH;
  return y < MAP_HEIGHT && x < MAP_WIDTH ? (image * MAP_HEIGHT + y) * MAP_WIDTH + x : ABSENT;
}

bool is_absent(uint g, uint i) { return token_at(g, i) == ABSENT; }
uint query_at(uint g, uint h, uint i) { return (token_at(g, i) * 3u * HEADS + h) * D; }
uint key_at(uint g, uint h, uint j) { return ((token_at(g, j) * 3u + 1u) * HEADS + h) * D; }
uint value_at(uint g, uint h, uint j) { return ((token_at(g, j) * 3u + 2u) * HEADS + h) * D; }
uint y_at(uint g, uint h, uint i) { return (token_at(g, i) * HEADS + h) * D; }

const uint QKV_COUNT = ABSENT * 3u * HEADS * D;
float load_token(uint element) {
  return element < QKV_COUNT ? load_qkv(element) : load_pad(element - QKV_COUNT);
}
float load_query(uint element) { return load_token(element); }
float load_key(uint element) { return load_token(element); }
float load_value(uint element) { return load_token(element); }
