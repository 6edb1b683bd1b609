// Preloaded by the sanitized tests: what a library allocated once and still points to is a leak only
// after it was unloaded, and its frames have no names then. So no library is unloaded.
int dlclose(void *handle);

int dlclose(void *handle) {
  (void)handle;
  return 0;
}
