/* A CUDA driver whose every kernel doubles: out[i] = 2 * in[i] for each thread of the launch, with
 * the first argument as in and the last as out. Memory is the host's. Status 209 for an image that
 * begins with "other", 100 (no device) from cuInit where FAKE_CUDA is "none". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int status;
static struct launch { const float *in; float *out; size_t count; } recorded[64];
static int capturing, launches;
static _Thread_local void *current; /* without which nothing is copied: status 201 */

status cuInit(unsigned flags) {
  const char *mode = getenv("FAKE_CUDA");
  (void)flags;
  return mode && !strcmp(mode, "none") ? 100 : 0;
}
status cuDeviceGet(int *device, int number) { return *device = number; }
status cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = recorded;
  return device;
}
status cuCtxSetCurrent(void *context) { return (current = context) != recorded; }
status cuStreamCreate(void **stream, unsigned flags) {
  *stream = &launches;
  return flags != 1;
}
status cuGetErrorString(status code, const char **text) {
  *text = code == 209 ? "no kernel image" : "some error";
  return 0;
}
status cuModuleLoadData(void **module, const char *image) {
  *module = malloc(1);
  return strncmp(image, "other", 5) ? 0 : 209;
}
status cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = module;
  return strncmp(name, "double", 6) ? 500 : 0;
}
status cuMemAlloc_v2(uint64_t *address, size_t size) {
  *address = (uint64_t)(uintptr_t)calloc(1, size);
  return 0;
}
status cuMemFree_v2(uint64_t address) {
  free((void *)(uintptr_t)address);
  return 0;
}
status cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
  if (!current) return 201;
  memcpy((void *)(uintptr_t)to, from, size);
  return 0;
}
status cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) {
  memcpy(to, (const void *)(uintptr_t)from, size);
  return 0;
}
status cuStreamBeginCapture_v2(void *stream, int mode) {
  capturing = 1;
  launches = 0;
  return stream != &launches || mode != 2;
}
status cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                      unsigned by, unsigned bz, unsigned shared, void *stream, void **arguments,
                      void **extra) {
  struct launch *launch = &recorded[launches++];
  if (!function || !capturing || shared || stream != &launches || extra) return 1;
  launch->in = (const float *)(uintptr_t) * (uint64_t *)arguments[0];
  launch->out = (float *)(uintptr_t) * (uint64_t *)arguments[1];
  launch->count = (size_t)gx * gy * gz * bx * by * bz;
  return 0;
}
status cuStreamEndCapture(void *stream, void **graph) {
  capturing = 0;
  *graph = recorded;
  return stream != &launches;
}
status cuGraphInstantiateWithFlags(void **replay, void *graph, unsigned long long flags) {
  *replay = graph;
  return flags != 0;
}
status cuGraphDestroy(void *graph) { return graph != recorded; }
status cuGraphExecDestroy(void *replay) { return replay != recorded; }
status cuGraphLaunch(void *replay, void *stream) {
  for (int i = 0; i < launches; i++)
    for (size_t j = 0; j < recorded[i].count; j++) recorded[i].out[j] = 2 * recorded[i].in[j];
  return replay != recorded || stream != &launches;
}
status cuStreamSynchronize(void *stream) { return stream != &launches; }
status cuStreamDestroy_v2(void *stream) { return stream != &launches; }
status cuModuleUnload(void *module) {
  free(module);
  return 0;
}
